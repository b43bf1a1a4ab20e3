"""Strips of an image along lines, and corners from lines; the searches for sides and for flanks use both."""

import cv2
import numpy as np
from numpy.typing import NDArray

from .geometry import Points

PLACES = 96
INSET_SHARE = 0.06
"""Share of a side that is left out at each end, because corners may be rounded or chamfered."""

Map = NDArray[np.float32]


def places_along(start: Points, end: Points) -> Points:
    """Return P evenly spaced points (P x 2) along a side without its ends."""
    shares = np.linspace(INSET_SHARE, 1 - INSET_SHARE, PLACES)
    return np.asarray(start + shares[:, None] * (end - start))


def inward(start: Points, end: Points) -> Points:
    """Return the unit vector into the package from the side `start` to `end` of a clockwise outline."""
    x, y = (end - start) / np.hypot(*(end - start))
    return np.array([-y, x])


def sample_strip(residual: Map, start: Points, end: Points, depths: Points, beyond: int = cv2.BORDER_CONSTANT) -> Map:
    """Return the image (H x W x C) around a side: P places along it by D depths into the package by C.

    Outside the frame it is 0, like the background, so a package that the frame cuts ends at the frame. `beyond` is
    OpenCV's name of another way to continue the image.
    """
    grid = places_along(start, end)[:, None, :] + depths[None, :, None] * inward(start, end)
    x, y = grid[..., 0].astype(np.float32), grid[..., 1].astype(np.float32)
    return np.asarray(cv2.remap(residual, x, y, cv2.INTER_LINEAR, borderMode=beyond), np.float32)


def meet(points: Points, directions: Points) -> Points:
    """Return the corners (4 x 2) where four lines, clockwise, meet: corner i starts side i."""
    return np.array([_meeting(points[i - 1], directions[i - 1], points[i], directions[i]) for i in range(4)])


def _meeting(point_a: Points, along_a: Points, point_b: Points, along_b: Points) -> Points:
    share = np.linalg.solve(np.column_stack([along_a, -along_b]), point_b - point_a)[0]
    return np.asarray(point_a + share * along_a)
