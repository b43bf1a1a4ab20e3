"""The EXIF orientation of an image: how it has to be turned and mirrored to be upright.

Dimensions: H W pixels.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

TAG = 274
QUARTER_TURNED, FLIPPED, MIRRORED = (5, 6, 7, 8), (3, 4, 7, 8), (2, 3, 6, 7)
"""Orientations, from 1 to 8, whose axes are exchanged, and which then stand on their heads, or are mirrored."""


def upright(values: NDArray[Any], image: Image.Image) -> NDArray[Any]:
    """Return the values of an image as it is stored, H x W or H x W x C, after its EXIF orientation is undone.

    In a TIFF, the orientation is no longer known once Pillow has loaded the image, which undoes it then.
    """
    orientation = _orientation(image)
    if orientation in QUARTER_TURNED:
        values = values.swapaxes(0, 1)
    if orientation in FLIPPED:
        values = values[::-1]
    if orientation in MIRRORED:
        values = values[:, ::-1]
    return np.ascontiguousarray(values)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """Return width and height in pixels after the EXIF orientation is undone."""
    return image.size[::-1] if _orientation(image) in QUARTER_TURNED else image.size


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation, 1 to 8, or 1 if EXIF cannot be read: the pixels are fine all the same."""
    try:
        found = int(image.getexif().get(TAG, 1))
    except MemoryError:
        raise
    except Exception:  # EXIF blocks come in all states, and Pillow raises nearly anything
        return 1
    return found if 1 <= found <= 8 else 1
