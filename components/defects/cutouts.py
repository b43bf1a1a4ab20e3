"""Annotated defects, cut out of their packages together with what surrounds them.

Dimensions: H W pixels, C channels.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.images import Pixels
from ..core.masks import parts_of

CONTEXT_SHARE = 0.5
"""Width of what is kept around a defect, relative to the longer side of its box."""
MIN_CONTEXT_PX = 8
MIN_AREA_PX = 4
"""Smaller parts of a mask are crumbs that resizing has left."""
MAX_TURN_DEG = 10.0
MAX_SCALING = 0.15
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


def cutouts_of(pixels_HWC: Pixels, mask_HW: Pixels, kinds: list[str], source: str) -> Iterator[Cutout]:
    """Yield the defects of a package. In the mask, the value k means the k-th of `kinds`, and 0 no defect."""
    for part in parts_of(mask_HW):
        if np.count_nonzero(part.covers_HW) >= MIN_AREA_PX:
            height, width = part.covers_HW.shape
            around = max(MIN_CONTEXT_PX, round(CONTEXT_SHARE * max(width, height)))
            covers_HW = np.zeros(mask_HW.shape, np.bool_)
            covers_HW[part.top_px : part.top_px + height, part.left_px : part.left_px + width] = part.covers_HW
            window = np.s_[
                max(part.top_px - around, 0) : part.top_px + height + around,
                max(part.left_px - around, 0) : part.left_px + width + around,
            ]
            yield Cutout(kinds[part.value - 1], source, pixels_HWC[window].copy(), covers_HW[window].copy())


def flipped(cutout: Cutout, random: np.random.Generator) -> Cutout:
    """Return a cutout that is turned by a quarter turn, and mirrored, or not, at random. No pixel is interpolated."""
    turns, mirror = int(random.integers(4)), int(random.choice([1, -1]))
    pixels_HWC, covers_HW = (np.rot90(map_, turns)[:, ::mirror] for map_ in (cutout.pixels_HWC, cutout.covers_HW))
    return Cutout(cutout.kind, cutout.source, np.ascontiguousarray(pixels_HWC), np.ascontiguousarray(covers_HW))


def varied(cutout: Cutout, random: np.random.Generator) -> Cutout:
    """Return a cutout that is mirrored or turned by a quarter turn, and turned and scaled a little, at random."""
    cutout = flipped(cutout, random)
    pixels_HWC, covers_HW = cutout.pixels_HWC, cutout.covers_HW.astype(np.uint8)
    height_px, width_px = covers_HW.shape
    angle_deg, scale = random.uniform(-1, 1, 2) * (MAX_TURN_DEG, MAX_SCALING)
    matrix = cv2.getRotationMatrix2D(((width_px - 1) / 2, (height_px - 1) / 2), angle_deg, 1 + scale)
    size_px = (width_px, height_px)
    turned = cv2.warpAffine(pixels_HWC, matrix, size_px, borderMode=cv2.BORDER_REFLECT_101)
    covered = cv2.warpAffine(covers_HW, matrix, size_px, flags=cv2.INTER_NEAREST)
    turned_HWC = turned.reshape(height_px, width_px, -1).astype(np.uint8)
    return Cutout(cutout.kind, cutout.source, turned_HWC, covered > 0)
