"""Find a place for a defect in a package without defects.

A defect belongs where its surroundings look as they did in its own package: a missing ball to a place in the grid, a
scratch to bare substrate. So a place is chosen by its likeness to the ring of pixels around the defect. The pixels of
the defect itself do not count.

Dimensions: H W pixels, C channels, F X frequencies.
"""

from dataclasses import dataclass, replace
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import fft  # type: ignore[import-untyped]

from ..core.images import Pixels
from .variation import Variation

SEARCH_PX = 256
"""Places are searched in images that are shrunk to this side."""
BEST_SHARE = 0.002
"""A place is drawn from at most this share of all places, those with the smallest differences ..."""
BEST_RATIO = 1.5
"""... and of these from those whose difference is at most so many times the smallest. Beside a ball, few places fit."""


@dataclass(frozen=True)
class Place:
    """Where a cutout may lie in a background."""

    top_px: int
    left_px: int
    difference: float
    """Mean squared difference of the surroundings from the pixels there."""


@dataclass(frozen=True)
class Surroundings:
    """What surrounds a defect, in the size in which places are searched."""

    pixels_HWC: Pixels
    ring_HW: NDArray[np.bool_]
    """Which of the pixels are surroundings."""
    scale: float
    """How much smaller than the package they are."""

    def flipped(self, variation: Variation) -> Self:
        """Return them as they are around a varied defect.

        Balls and traces are not turned or scaled with the defect, because those of the background are not.
        """
        pixels_HWC, ring_HW = variation.flipped(self.pixels_HWC), variation.flipped(self.ring_HW)
        return replace(self, pixels_HWC=pixels_HWC, ring_HW=ring_HW)


class Ground:
    """A background in which places are searched, for any number of defects."""

    def __init__(self, background_HWC: Pixels, allowed_HW: NDArray[np.bool_] | None = None) -> None:
        """Take a background in its own size, and where in it the middle of a defect may lie: None for everywhere."""
        small_HWC = shrunk(background_HWC, search_scale(max(background_HWC.shape[:2]))).astype(np.float32)
        self._mean_C = small_HWC.mean(axis=(0, 1))
        small_CHW = (small_HWC - self._mean_C).transpose(2, 0, 1)
        self._shape = small_CHW.shape[1:]
        self._pixels_CFX = fft.rfft2(small_CHW)
        self._squares_FX = fft.rfft2((small_CHW**2).sum(axis=0))
        self._allowed_HW = None if allowed_HW is None else _resized_mask(allowed_HW, self._shape)

    def place(self, around: Surroundings, random: np.random.Generator) -> Place | None:
        """Return a place with such surroundings: None if they are too large or empty, or if no place is allowed."""
        height_px, width_px = around.ring_HW.shape
        rows, columns = self._shape[0] - height_px + 1, self._shape[1] - width_px + 1
        if min(rows, columns) < 1 or not around.ring_HW.any():
            return None
        flat = self._squared_differences(around)[:rows, :columns].ravel()
        if self._allowed_HW is not None:
            down, across = _middle(around.ring_HW)
            allowed_HW = self._allowed_HW[down : down + rows, across : across + columns]
            flat = np.where(allowed_HW.ravel(), flat, np.float32(np.inf))
        count = max(round(BEST_SHARE * flat.size), 1)
        best = np.argpartition(flat, count - 1)[:count]
        if np.isinf(flat[best].min()):
            return None
        drawn = int(random.choice(best[flat[best] <= BEST_RATIO * flat[best].min()]))
        top, left = divmod(drawn, columns)
        samples = np.count_nonzero(around.ring_HW) * len(self._mean_C)
        return Place(round(top / around.scale), round(left / around.scale), float(flat[drawn]) / samples)

    def _squared_differences(self, around: Surroundings) -> NDArray[np.float32]:
        """Return the summed squared difference, at least 0, at each place: correlations are products of spectra.

        Those of places that reach beyond the background mean nothing.
        """
        ring_HW = around.ring_HW.astype(np.float32)
        ring_CHW = (around.pixels_HWC - self._mean_C).transpose(2, 0, 1) * ring_HW
        crossed_FX = (fft.rfft2(ring_CHW, self._shape).conj() * self._pixels_CFX).sum(axis=0)
        spectrum_FX = fft.rfft2(ring_HW, self._shape).conj() * self._squares_FX - 2 * crossed_FX
        differences = fft.irfft2(spectrum_FX, self._shape) + np.square(ring_CHW).sum()
        return np.asarray(np.maximum(differences, 0))  # rounding


def _middle(ring_HW: NDArray[np.bool_]) -> tuple[int, int]:
    """Return the row and the column of the middle of what a ring of pixels surrounds."""
    rows, columns = np.nonzero(~ring_HW)
    return int(rows.min() + rows.max()) // 2, int(columns.min() + columns.max()) // 2


def _resized_mask(mask_HW: NDArray[np.bool_], shape: tuple[int, int]) -> NDArray[np.bool_]:
    return cv2.resize(mask_HW.astype(np.uint8), shape[::-1], interpolation=cv2.INTER_NEAREST) > 0


def search_scale(side_px: int) -> float:
    """Return how much smaller images of a side are when places are searched."""
    return min(SEARCH_PX / side_px, 1.0)


def shrunk(pixels_HWC: Pixels, scale: float) -> Pixels:
    """Return an image in another size."""
    if scale == 1.0:
        return pixels_HWC
    height_px, width_px, channels = pixels_HWC.shape
    size_px = max(round(width_px * scale), 1), max(round(height_px * scale), 1)
    resized = cv2.resize(pixels_HWC, size_px, interpolation=cv2.INTER_AREA)
    return np.asarray(resized, dtype=np.uint8).reshape(*size_px[::-1], channels)
