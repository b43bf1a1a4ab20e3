"""Strips of an image along lines, what four lines enclose, and corners from lines."""

import cv2
import numpy as np

from .geometry import Map, Points

PLACES = 96
INSET_SHARE = 0.06
"""Share of a side that is left out at each end, because corners may be rounded or chamfered."""
GROUP = 4
"""Number of places that are averaged, to suppress texture."""


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


def strip_of(lab: Map, start: Points, end: Points, depths: Points) -> Map:
    """Return the strip along a side, P / 4 x D x C, averaged over groups of places.

    Beyond the frame, its border is repeated.
    """
    strip = sample_strip(lab, start, end, depths, cv2.BORDER_REPLICATE)
    return np.asarray(strip.reshape(-1, GROUP, *strip.shape[1:]).mean(axis=1), np.float32)


def rectified(image: Map, corners: Points, cells: int) -> Map:
    """Return what four corners (4 x 2, clockwise) enclose, as a square of `cells` x `cells`."""
    square = np.array([(0, 0), (cells, 0), (cells, cells), (0, cells)], np.float32) - 0.5
    warp = cv2.getPerspectiveTransform(corners.astype(np.float32), square)
    return np.asarray(cv2.warpPerspective(image, warp, (cells, cells), borderMode=cv2.BORDER_REPLICATE), np.float32)


def meet(points: Points, directions: Points) -> Points:
    """Return the corners (4 x 2) where four lines, clockwise, meet: corner i starts side i."""
    return np.array([_meeting(points[i - 1], directions[i - 1], points[i], directions[i]) for i in range(4)])


def _meeting(point_a: Points, along_a: Points, point_b: Points, along_b: Points) -> Points:
    share = np.linalg.solve(np.column_stack([along_a, -along_b]), point_b - point_a)[0]
    return np.asarray(point_a + share * along_a)
