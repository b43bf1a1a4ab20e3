"""Find a place for a defect in a package without defects, and paste it there.

A defect belongs where its surroundings look as they did in its own package: a missing ball to a place in the grid, a
scratch to bare substrate. So a place is chosen by its likeness to the ring of pixels around the defect. The pixels of
the defect itself do not count.

Dimensions: H W pixels, C channels, Y X places.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.images import Pixels
from .cutouts import Cutout, feather_px, neighbourhood

SEARCH_PX = 256
"""Places are searched in images that are shrunk to this side."""
BEST_SHARE = 0.002
"""A place is drawn from this share of all places, those with the smallest differences."""


@dataclass(frozen=True)
class Place:
    """Where a cutout may lie in a background."""

    top_px: int
    left_px: int
    difference: float
    """Mean squared difference of the ring around the defect from the pixels there."""


def shrunk(pixels_HWC: Pixels) -> Pixels:
    """Return an image in the size in which places are searched."""
    scale = min(SEARCH_PX / max(pixels_HWC.shape[:2]), 1.0)
    return _resized(pixels_HWC, scale)


def _resized(pixels_HWC: Pixels, scale: float) -> Pixels:
    if scale == 1.0:
        return pixels_HWC
    height_px, width_px, channels = pixels_HWC.shape
    size_px = max(round(width_px * scale), 1), max(round(height_px * scale), 1)
    resized = cv2.resize(pixels_HWC, size_px, interpolation=cv2.INTER_AREA)
    return np.asarray(resized, dtype=np.uint8).reshape(*size_px[::-1], channels)


def find_place(cutout: Cutout, background_HWC: Pixels, side_px: int, random: np.random.Generator) -> Place | None:
    """Return a place for a cutout in a background of `side_px` a side, which is given as `shrunk` returns it.

    It is None if the cutout is too large, or has no surroundings.
    """
    scale = background_HWC.shape[0] / side_px
    window_HWC = _resized(cutout.pixels_HWC, scale)
    ring_HW = _resized(cutout.ring[:, :, None].astype(np.uint8) * 255, scale)[:, :, 0] > 127
    room_px = [here - there for here, there in zip(background_HWC.shape[:2], window_HWC.shape[:2], strict=True)]
    if min(room_px) < 0 or not ring_HW.any():
        return None
    weight_HWC = np.repeat(ring_HW[:, :, None], window_HWC.shape[2], axis=2).astype(np.float32)
    squares_YX = cv2.matchTemplate(background_HWC, window_HWC, cv2.TM_SQDIFF, mask=weight_HWC)
    flat = squares_YX.ravel()
    count = max(round(BEST_SHARE * flat.size), 1)
    drawn = int(random.choice(np.argpartition(flat, count - 1)[:count]))
    top, left = divmod(drawn, squares_YX.shape[1])
    return Place(round(top / scale), round(left / scale), float(flat[drawn]) / float(weight_HWC.sum()))


@dataclass(frozen=True)
class Spot:
    """The part of a background that a cutout covers."""

    background_HWC: Pixels
    """The whole image."""
    window: tuple[slice, slice]

    def pixels(self) -> NDArray[np.float32]:
        """Return what is there now, H x W x C."""
        return self.background_HWC[self.window].astype(np.float32)

    def filled(self, new_HWC: NDArray[np.float32], cutout: Cutout) -> tuple[Pixels, Pixels]:
        """Return the image with new pixels there, H x W x C, and the mask of the defect, H x W of 0 and 1."""
        image_HWC, mask_HW = self.background_HWC.copy(), np.zeros(self.background_HWC.shape[:2], np.uint8)
        image_HWC[self.window] = np.rint(new_HWC).clip(0, 255).astype(np.uint8)
        mask_HW[self.window] = cutout.covers_HW
        return image_HWC, mask_HW


def spot_of(cutout: Cutout, background_HWC: Pixels, place: Place) -> Spot:
    """Return the part of a background that a cutout covers at a place."""
    height_px, width_px = cutout.covers_HW.shape
    top_px = min(max(place.top_px, 0), background_HWC.shape[0] - height_px)
    left_px = min(max(place.left_px, 0), background_HWC.shape[1] - width_px)
    return Spot(background_HWC, np.s_[top_px : top_px + height_px, left_px : left_px + width_px])


def pasted(cutout: Cutout, background_HWC: Pixels, place: Place) -> tuple[Pixels, Pixels]:
    """Return the background with a defect in it, H x W x C, and the mask of the defect, H x W of 0 and 1.

    The colours of the cutout are shifted, so that its surroundings have the mean colours of the place. Pixels
    outside the `neighbourhood` of the mask are those of the background.
    """
    spot = spot_of(cutout, background_HWC, place)
    there_HWC = spot.pixels()
    return spot.filled(there_HWC + shares(cutout)[:, :, None] * (recoloured(cutout, there_HWC) - there_HWC), cutout)


def recoloured(cutout: Cutout, there_HWC: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the pixels of a cutout, shifted so that its surroundings have the mean colours of the pixels there."""
    shift_C = (there_HWC - cutout.pixels_HWC)[cutout.ring].mean(axis=0)
    return np.asarray(cutout.pixels_HWC + shift_C, np.float32)


def shares(cutout: Cutout) -> NDArray[np.float32]:
    """Return how much of each pixel is taken from the cutout, in [0, 1]: H x W."""
    soft_HW = cv2.GaussianBlur(cutout.covers_HW.astype(np.float32), (0, 0), feather_px(cutout.covers_HW))
    return np.where(cutout.covers_HW, 1.0, soft_HW) * neighbourhood(cutout.covers_HW)
