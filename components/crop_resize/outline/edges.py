"""Straight edges that run along a side: how far from it, how strong, and over how much of it."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .geometry import Map, Points
from .strips import strip_of

WINDOW_CELLS = 3
"""Number of depths that are averaged on both sides of an edge."""
MIN_AGREEMENT = 0.5
"""Minimum part of the mean step that a place must show in the same direction, to agree with it."""
APART_CELLS = 3


@dataclass(frozen=True)
class Edge:
    """An edge parallel to a side."""

    depth_cells: float
    """Depth into the package, from the side."""
    size: float
    """Mean change of the colour, in Lab units."""
    support: float
    """Share of the places along the side that change like the mean."""


def edges_along(lab: Map, start: Points, end: Points, depths: NDArray[np.float64]) -> list[Edge]:
    """Return the edges between the first and the last of `depths` (evenly spaced by one cell), from outside to inside.

    `lab` is H x W x 3.
    """
    return edges_in(strip_of(lab, start, end, depths), depths)


def edges_in(strip: Map, depths: NDArray[np.float64]) -> list[Edge]:
    """Return the edges in a strip, P / 4 x D x C, from outside to inside."""
    steps = _steps(strip)
    mean = np.median(steps, axis=0)
    size = np.linalg.norm(mean, axis=1)
    along = (steps * (mean / np.maximum(size, 1e-6)[:, None])).sum(axis=2)
    support = (along > MIN_AGREEMENT * size).mean(axis=0)
    reach = np.ones((1, 2 * APART_CELLS + 1), np.uint8)
    highest = cv2.dilate(size[None].astype(np.float32), reach)[0]
    places = np.nonzero((size.astype(np.float32) >= highest) & (size > 1))[0]
    return [Edge(float(depths[at]), float(size[at]), float(support[at])) for at in places]


def _steps(strip: Map) -> Map:
    """Return by how much the mean of the depths inside differs from that of the depths outside, at each depth."""
    sums = np.cumsum(np.pad(strip, ((0, 0), (WINDOW_CELLS + 1, WINDOW_CELLS), (0, 0)), mode="edge"), axis=1)
    window, count = WINDOW_CELLS, strip.shape[1]
    outside = sums[:, window : window + count] - sums[:, :count]
    inside = sums[:, 2 * window : 2 * window + count] - sums[:, window : window + count]
    return np.asarray((inside - outside) / window)
