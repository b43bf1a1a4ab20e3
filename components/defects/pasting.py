"""Paste a defect into a package without defects.

Dimensions: H W pixels, C channels.
"""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.images import Pixels
from .cutouts import Cutout, feather_px, neighbourhood
from .places import Place


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
    ring_HW = cutout.ring.astype(np.uint8)
    shift_C = np.subtract(cv2.mean(there_HWC, mask=ring_HW), cv2.mean(cutout.pixels_HWC, mask=ring_HW))
    return np.asarray(cutout.pixels_HWC + shift_C[: there_HWC.shape[2]], np.float32)


def shares(cutout: Cutout) -> NDArray[np.float32]:
    """Return how much of each pixel is taken from the cutout, in [0, 1]: H x W."""
    soft_HW = cv2.GaussianBlur(cutout.covers_HW.astype(np.float32), (0, 0), feather_px(cutout.covers_HW))
    return np.where(cutout.covers_HW, 1.0, soft_HW) * neighbourhood(cutout.covers_HW)
