"""Annotated defects, cut out of their packages together with what surrounds them.

Dimensions: H W pixels, C channels.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.images import Pixels
from ..core.masks import parts_of
from .places import Surroundings, search_scale, shrunk
from .variation import Variation

MIN_CONTEXT_PX = 8
MAX_CONTEXT_SHARE = 1 / 8
"""What is kept around a defect is as wide as its box is long, so that the balls beside a ball are in it, but not wider
than this share of the package. Otherwise a long scratch would fit into its old place alone."""
MIN_AREA_PX = 4
"""Smaller parts of a mask are crumbs that resizing has left."""
FEATHER_SHARE = 1 / 16
MIN_FEATHER_PX, MAX_FEATHER_PX = 0.45, 2.0


@dataclass(frozen=True)
class Cutout:
    """A defect and its surroundings."""

    kind: str
    source: str
    """Name of the package that it comes from."""
    pixels_HWC: Pixels
    covers_HW: NDArray[np.bool_]
    """Which of the pixels are the defect."""
    scale: float = 1.0
    """How much smaller packages are in which places for it are searched."""

    @cached_property
    def surroundings(self) -> Surroundings:
        """What a place for it must look like."""
        ring_HW1 = self.ring[:, :, None].astype(np.uint8) * 255
        return Surroundings(
            shrunk(self.pixels_HWC, self.scale), shrunk(ring_HW1, self.scale)[:, :, 0] > 127, self.scale
        )

    def varied(self, variation: Variation) -> Self:
        """Return it varied."""
        covers_HW = variation.of_mask(self.covers_HW)
        return replace(self, pixels_HWC=variation.of_pixels(self.pixels_HWC), covers_HW=covers_HW)

    @property
    def ring(self) -> NDArray[np.bool_]:
        """Which of the pixels are surroundings that the defect does not touch: H x W."""
        return ~neighbourhood(self.covers_HW)


def feather_px(covers_HW: NDArray[np.bool_]) -> float:
    """Return the standard deviation of the transition from a defect to its background. It grows with the thickness."""
    half_thickness_px = float(cv2.distanceTransform(covers_HW.astype(np.uint8), cv2.DIST_L2, 3).max())
    return min(max(FEATHER_SHARE * half_thickness_px, MIN_FEATHER_PX), MAX_FEATHER_PX)


def neighbourhood(covers_HW: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a mask with all pixels that a made defect may change: up to two standard deviations of its feather."""
    side = 2 * round(2 * feather_px(covers_HW)) + 1
    return cv2.dilate(covers_HW.astype(np.uint8), np.ones((side, side), np.uint8)) > 0


def context_px(shape: tuple[int, ...], side_px: int) -> int:
    """Return how much is kept around a defect of some height and width in a package of a size."""
    return max(MIN_CONTEXT_PX, min(max(shape), round(MAX_CONTEXT_SHARE * side_px)))


def cutouts_of(pixels_HWC: Pixels, mask_HW: Pixels, kinds: list[str], source: str) -> Iterator[Cutout]:
    """Yield the defects of a package. In the mask, the value k means the k-th of `kinds`, and 0 no defect."""
    scale = search_scale(max(mask_HW.shape))
    for part in parts_of(mask_HW):
        if np.count_nonzero(part.covers_HW) >= MIN_AREA_PX:
            height, width = part.covers_HW.shape
            around = context_px(part.covers_HW.shape, max(mask_HW.shape))
            covers_HW = np.zeros(mask_HW.shape, np.bool_)
            covers_HW[part.top_px : part.top_px + height, part.left_px : part.left_px + width] = part.covers_HW
            window = np.s_[
                max(part.top_px - around, 0) : part.top_px + height + around,
                max(part.left_px - around, 0) : part.left_px + width + around,
            ]
            yield Cutout(kinds[part.value - 1], source, pixels_HWC[window].copy(), covers_HW[window].copy(), scale)
