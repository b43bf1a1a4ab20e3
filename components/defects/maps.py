"""What the defect model sees of a defect and its place.

Dimensions: C image channels, H W pixels.
"""

from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from fabgan.model.pixels import to_float

from .cutouts import Cutout
from .pasting import shares

FAR_PX = 8.0
"""Distance to the border of a mask that the model sees as 1."""


def maps_of(cutout: Cutout, background_HWC: NDArray[Any], defect_HWC: NDArray[Any]) -> list[NDArray[np.float32]]:
    """Return background and defect in [-1, 1], the maps of the shape, and how far pixels may change: each any x H x W.

    Both images are the part that the cutout covers, H x W x C in [0, 255].
    """
    images = [
        to_float(torch.from_numpy(np.array(pixels_HWC))).permute(2, 0, 1).numpy()
        for pixels_HWC in (background_HWC, defect_HWC)
    ]
    return [*images, _shape(cutout.covers_HW), shares(cutout)[None]]


def _shape(covers_HW: NDArray[np.bool_]) -> NDArray[np.float32]:
    """Return the maps that describe a mask: itself, down and right in it, and the distance to its border."""
    rows, columns = np.nonzero(covers_HW)
    reach_px = max(float(np.ptp(rows)), float(np.ptp(columns)), 1.0) / 2
    down, right = np.mgrid[: covers_HW.shape[0], : covers_HW.shape[1]]
    middle = (rows.min() + rows.max()) / 2, (columns.min() + columns.max()) / 2
    distance_HW = cv2.distanceTransform(covers_HW.astype(np.uint8), cv2.DIST_L2, 3) / FAR_PX
    places = [np.clip((map_HW - at) / reach_px, -2, 2) for map_HW, at in zip((down, right), middle, strict=True)]
    return np.stack([covers_HW, *places, distance_HW]).astype(np.float32)
