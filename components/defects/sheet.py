"""A sheet of defects to look at: annotated ones beside made ones, in the packages' own resolution.

Dimensions: C channels, H W pixels.
"""

from collections.abc import Iterator, Mapping
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ..artifacts.sheets import PAPER_WHITE, image_grid, side_by_side
from ..core.images import Pixels
from .pool import Paint, Pool

COLUMNS = 4
WINDOW_PX = 96
ANNOTATED = "annotated"


def sheet_of(pool: Pool, paints: Mapping[str, Paint]) -> Pixels:
    """Return a picture with a row for each kind, and beside annotated defects those that are made in each way."""
    kinds = pool.present
    shown = {ANNOTATED: [window for kind in kinds for window in _row(_annotated(pool, kind))]}
    for name, paint in paints.items():
        shown[name] = [window for kind in kinds for window in _row(_made(pool, kind, paint))]
    return side_by_side({name: image_grid(windows, COLUMNS) for name, windows in shown.items()})


def _annotated(pool: Pool, kind: str) -> Iterator[Tensor]:
    return (_window(cutout.pixels_HWC, cutout.covers_HW) for cutout in pool.cutouts[kind])


def _made(pool: Pool, kind: str, paint: Paint) -> Iterator[Tensor]:
    for index in range(COLUMNS):
        made = pool.make(kind, 1, np.random.default_rng(index), paint)
        yield _window(made.pixels_HWC, made.mask_HW > 0)


def _row(windows: Iterator[Tensor]) -> list[Tensor]:
    """Return `COLUMNS` windows. White ones stand for those that are missing."""
    found = list(islice(windows, COLUMNS))
    return found + [torch.full_like(found[0], PAPER_WHITE)] * (COLUMNS - len(found))


def _window(pixels_HWC: Pixels, covers_HW: NDArray[np.bool_]) -> Tensor:
    """Return the square around the middle of a defect, C x H x W. It is white beyond the pixels."""
    middle = [round((places.min() + places.max()) / 2) for places in np.nonzero(covers_HW)]
    half = WINDOW_PX // 2
    padded = np.pad(pixels_HWC, [(half, half), (half, half), (0, 0)], constant_values=PAPER_WHITE)
    window_HWC = padded[middle[0] : middle[0] + WINDOW_PX, middle[1] : middle[1] + WINDOW_PX]
    return torch.from_numpy(window_HWC.copy()).permute(2, 0, 1)
