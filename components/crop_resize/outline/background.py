"""The colour of the background, and how much each cell differs from it."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.images import Pixels
from .geometry import Map

BORDER_SHARE = 0.06
"""Width of the strip along the frame's border that is mostly background, as a share of the frame's shorter side."""
ROUNDS = 4
INLIER_SIGMAS = 4.0
MIN_SIGMA = 1.0
"""In Lab units. An overexposed background has no noise, and then every trace of compression would stand out."""
GRID_STEP = 6
MAD_TO_SIGMA = 1.4826
BRIGHT_PERCENT, MIN_BRIGHT = 99.0, 90.0
"""This percentile of a photograph's values has at least this value, or the photograph is made brighter. A few glints do
not count."""
MAX_GAIN = 8.0
"""What is darker is mostly noise."""

Border = Literal["whole", "left and right", "top and bottom"]


@dataclass(frozen=True, eq=False)
class View:
    """A reduced photograph in relation to its background."""

    lab: Map
    """H x W x 3."""
    ground: Map
    """The background's colour at each cell, as if nothing lay on it; H x W x 3 (Lab)."""
    residual: Map
    """The difference of each cell from the background, in standard deviations of the background; H x W x 3."""


def view_of(work: Pixels, border: Border = "whole") -> View:
    """Return a reduced photograph with its background, which is mostly what the `border` of the frame shows.

    The illumination of the background is a quadratic surface in x and y per channel. It is fitted to the strip along
    the border, and then repeatedly to the cells that agree with it. Raises LinAlgError if too few cells agree.
    """
    lab = _lab(work)
    strip = max(2, round(BORDER_SHARE * min(lab.shape[:2])))
    grid = (slice(None, None, min(GRID_STEP, strip)),) * 2  # so that it meets the strip on all sides
    # In float32, the last bits of sums, which differ between processors, would move the sides by hundredths of a cell.
    sample = lab[grid].reshape(-1, 3).astype(np.float64)
    design = _design(*lab.shape[:2])
    coarse = design[grid].reshape(-1, design.shape[2]).astype(np.float64)
    trusted = _strip(lab.shape, strip, border)[grid].ravel()
    for _ in range(ROUNDS):
        chosen = coarse[trusted]
        surface = np.linalg.solve(chosen.T @ chosen, chosen.T @ sample[trusted])
        residual = sample - coarse @ surface
        centre = np.median(residual[trusted], axis=0)
        sigma = np.maximum(MAD_TO_SIGMA * np.median(np.abs(residual[trusted] - centre), axis=0), MIN_SIGMA)
        trusted = np.asarray((np.abs(residual - centre) < INLIER_SIGMAS * sigma).all(axis=1))
    ground = design @ surface.astype(np.float32)
    scaled = lab - ground
    # As rows of numbers, because a last axis of three is slow.
    rows, width = (len(lab), -1), lab.shape[1]
    scaled.reshape(rows)[:] -= np.tile(centre, width)
    scaled.reshape(rows)[:] /= np.tile(sigma, width)
    ground.reshape(rows)[:] += np.tile(centre, width)
    return View(lab, ground, scaled)


def _lab(work: Pixels) -> Map:
    """Return a photograph in Lab, brighter if it is dark, because the limits in Lab units are for well exposed ones."""
    colour = cv2.cvtColor(work, cv2.COLOR_GRAY2RGB) if work.ndim == 2 else work
    bright = max(float(np.percentile(colour.max(axis=2), BRIGHT_PERCENT)), 1.0)
    gain = min(max(MIN_BRIGHT / bright, 1.0), MAX_GAIN)
    exposed = np.minimum(np.asarray(colour, np.float32) * np.float32(gain / 255), 1)
    return np.asarray(cv2.cvtColor(exposed, cv2.COLOR_RGB2Lab), np.float32)


@lru_cache(maxsize=1)
def _design(height: int, width: int) -> Map:
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2).astype(np.float32)


def _strip(shape: tuple[int, ...], strip: int, border: Border) -> NDArray[np.bool_]:
    height, width = shape[:2]
    trusted = np.ones((height, width), np.bool_)
    rows = slice(None) if border == "left and right" else slice(strip, -strip)
    columns = slice(None) if border == "top and bottom" else slice(strip, -strip)
    trusted[rows, columns] = False
    return trusted
