"""Small charts of a page: what its templates draw as inline SVG, and a heat map.

Dimensions: H W pixels, T points in time, N names.
"""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from ...core.errors import UserError
from ..verdict import Check
from .pictures import Picture, picture

BAR_WIDTH = 160
BAR_MARGIN = 12
CURVE_WIDTH, CURVE_HEIGHT = 320, 110
"""Sizes of the drawings in report.html.j2."""
CURVE_POINTS = 400
HEAT_RANGE = 2.0
"""The heat map ends at this ratio, and at its inverse."""
HEAT_COLOURS = ((0, 32, 77), (124, 123, 120), (255, 234, 70))
"""Dark, middle, bright: ordered in grey too, and for all colour vision (cividis: Nunez et al. 2018, arXiv:1712.01662).
"""


@dataclass(frozen=True)
class Bar:
    """Where the numbers of a check lie, from 0 to `BAR_WIDTH`."""

    value: float
    low: float
    """The value minus its deviation."""
    high: float
    floor: float | None
    allowed_from: float
    allowed_to: float


def bar_of(check: Check) -> Bar | None:
    """Return the bar of a check, or None if there is nothing to compare."""
    compared = [number for number in (check.floor, check.at_least, check.at_most) if number is not None]
    if check.value is None or not compared:
        return None
    low, high = check.value - check.deviation, check.value + check.deviation
    least, most = min(low, *compared), max(high, *compared)

    def place(number: float) -> float:
        share = (number - least) / (most - least) if most > least else 0.5
        return round(BAR_MARGIN + share * (BAR_WIDTH - 2 * BAR_MARGIN), 1)

    return Bar(
        place(check.value),
        place(low),
        place(high),
        floor=None if check.floor is None else place(check.floor),
        allowed_from=0 if check.at_least is None else place(check.at_least),
        allowed_to=BAR_WIDTH if check.at_most is None else place(check.at_most),
    )


@dataclass(frozen=True)
class Curve:
    """A loss during training."""

    name: str
    points: str
    """In a drawing of `CURVE_WIDTH` x `CURVE_HEIGHT`."""
    lowest: float
    highest: float
    last: float
    images: float
    """Real images shown until its end."""


def curves_of(losses: Path) -> list[Curve]:
    """Return a curve for each column of a losses.csv. Neighbouring points of long trainings are averaged.

    Raises UserError for a file that train did not write.
    """
    try:
        with losses.open(newline="", encoding="utf-8") as file:
            names, *rows = csv.reader(file)
        values_TN = np.array(rows, dtype=np.float64).reshape(len(rows), len(names))
    except (ValueError, csv.Error) as error:
        raise UserError(f"{losses}: not the losses that train writes ({error}); run train again") from error
    if not rows:
        return []
    images = values_TN[-1, 0]
    parts = np.array_split(values_TN, min(len(values_TN), CURVE_POINTS))
    images_T, *losses_NT = np.stack([part.mean(axis=0) for part in parts]).T
    named = zip(names[1:], losses_NT, strict=True)
    return [_curve(name, images_T, loss_T, images) for name, loss_T in named if np.isfinite(loss_T).any()]


def _curve(name: str, images_T: NDArray[np.float64], loss_T: NDArray[np.float64], images: float) -> Curve:
    finite_T = np.isfinite(loss_T)
    images_T, loss_T = images_T[finite_T], loss_T[finite_T]
    x_T = CURVE_WIDTH * _shares(images_T)
    y_T = CURVE_HEIGHT * (1 - _shares(loss_T))
    points = " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(x_T, y_T, strict=True))
    return Curve(name, points, loss_T.min(), loss_T.max(), loss_T[-1], images)


def _shares(values_T: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where values lie between the least, 0, and the most, 1."""
    least = values_T.min()
    shares_T: NDArray[np.float64] = (values_T - least) / ((values_T.max() - least) or 1)
    return shares_T


@dataclass(frozen=True)
class HeatMap:
    """Ratios by place."""

    picture: Picture
    lowest: float
    median: float
    highest: float
    colours: Sequence[tuple[int, int, int]] = HEAT_COLOURS
    ticks: Sequence[float] = (1 / HEAT_RANGE, HEAT_RANGE**-0.5, 1, HEAT_RANGE**0.5, HEAT_RANGE)
    """Ratios at equal distances on the legend."""


def heat_map(ratios_HW: Tensor, alt: str) -> HeatMap:
    """Return ratios as a heat map with a logarithmic scale: 1 is in the middle."""
    ratios = ratios_HW.cpu().numpy().astype(np.float64)
    shares = 0.5 + 0.5 * np.log(ratios.clip(1 / HEAT_RANGE, HEAT_RANGE)) / np.log(HEAT_RANGE)
    channels = [np.interp(shares, (0, 0.5, 1), colour) for colour in zip(*HEAT_COLOURS, strict=True)]
    pixels = np.stack(channels, axis=-1).round().astype(np.uint8)
    return HeatMap(picture(pixels, alt), ratios.min(), float(np.median(ratios)), ratios.max())
