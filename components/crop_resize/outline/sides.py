"""The four sides of a package, to a small fraction of a cell.

Around each rough side, the image is resampled as a strip: P places along the side by D depths from outside to inside.
Sheared by the right slope, the strip changes from background to package at the same depth in all places.
"""

import cv2
import numpy as np

from .geometry import Map, Points, side_lengths
from .strips import inward, meet, places_along, sample_strip

OUTERMOST_SHARE = 0.5
"""Rows of balls are edges too, so the side is the outermost step with at least this share of the strongest step."""
STEP_SIGMA_CELLS = 1.2
ROUNDS = ((0.12, 0.25), (0.08, 0.06), (0.03, 0.02))
"""Of each search: the reach around the rough side, as a share of the shorter side, and the maximum slope."""
SLOPES = 33
FREE_ROUNDS = ((0.06, 0.12), (0.03, 0.03), (0.03, 0.01))
"""Of each search for sides that need not be parallel."""
PARTS = 12
"""Number of parts of a side that are followed one by one."""


def refine_sides(residual: Map, rough: Points, rounds: tuple[tuple[float, float], ...] = ROUNDS) -> Points:
    """Return the corners (4 x 2, clockwise) of the parallelogram that fits the package's edges.

    `residual` is H x W x C; `rough` holds four clockwise corners with an error of a few percent. `rounds` is the reach
    and the maximum slope of each search.
    """
    corners = rough
    for reach_share, max_slope in rounds:
        corners = _refine_once(residual, corners, reach_share, max_slope)
    return corners


def free_sides(residual: Map, corners: Points) -> Points:
    """Return the corners (4 x 2, clockwise) of the quadrilateral that fits a package which the camera sees tilted."""
    for reach_share, max_slope in FREE_ROUNDS:
        corners = _meet(_refined(residual, corners, reach_share, max_slope))
    return corners


def follow_sides(residual: Map, corners: Points, reach_share: float = 0.0) -> Points:
    """Return the corners of the quadrilateral whose sides follow the steps near the sides of four corners (4 x 2).

    The searches for slopes prefer a slope of 0 by a cell or so. This has no preference.
    """
    reach, ends = max(4.0, reach_share * side_lengths(corners).min()), np.roll(corners, -1, axis=0)
    return _meet(np.array([_follow(residual, corners[i], ends[i], reach) for i in range(4)]))


def _follow(residual: Map, start: Points, end: Points, reach: float) -> Points:
    """Return two points (2 x 2) on the straight line through the strongest steps of the parts of a side."""
    depths = np.arange(-reach, reach + 0.5)
    strip = sample_strip(residual, start, end, depths)
    parts = strip.reshape(PARTS, -1, *strip.shape[1:]).mean(axis=1)
    steps = _steps(parts.transpose(1, 0, 2))
    found = np.argmax(steps[:, 1:-1], axis=1)
    depth = found + 1 + np.array([_vertex(row[at : at + 3]) for row, at in zip(steps, found, strict=True)])
    # Theil and Sen: a notch, a lead or tweezers may hide some of the parts.
    share = np.linspace(-0.5, 0.5, len(strip)).reshape(PARTS, -1).mean(axis=1)
    first, second = np.triu_indices(PARTS, 1)
    rise = float(np.median((depth[second] - depth[first]) / (share[second] - share[first])))
    middle = depths[0] + float(np.median(depth - rise * share))
    ends = places_along(start, end)[[0, -1]]
    return np.asarray(ends + (middle + np.array([-0.5, 0.5]) * rise)[:, None] * inward(start, end))


def around(corners: Points) -> Points:
    """Return the parallelogram (4 x 2, clockwise) around a quadrilateral whose opposite sides are about parallel."""
    a, b, c, d = corners
    right, down = b - a + c - d, d - a + c - b
    outermost = []
    for direction in (right, down, -right, -down):
        depths = (corners - a) @ inward(np.zeros(2), direction)
        outermost.append(corners[int(np.argmin(depths))])
    # Clockwise from the top, the sides run right, down, left and up.
    return meet(np.array(outermost), np.array([right, down, -right, -down]))


def _refine_once(residual: Map, corners: Points, reach_share: float, max_slope: float) -> Points:
    return _parallelogram(_refined(residual, corners, reach_share, max_slope))


def _refined(residual: Map, corners: Points, reach_share: float, max_slope: float) -> Points:
    """Return four fitted sides, as two points on each (4 x 2 x 2)."""
    reach = max(4.0, reach_share * side_lengths(corners).min())
    return np.array([_refine_side(residual, corners[i], corners[(i + 1) % 4], reach, max_slope) for i in range(4)])


def _refine_side(residual: Map, start: Points, end: Points, reach: float, max_slope: float) -> Points:
    """Return two points (2 x 2) on the side near the one from `start` to `end` (clockwise: inside on the right)."""
    depths = np.arange(-reach, reach + 0.5)
    strip = sample_strip(residual, start, end, depths)
    ends = places_along(start, end)[[0, -1]]
    run = float(np.hypot(*(ends[1] - ends[0])))
    slope, depth = _best_line(strip, run, max_slope)
    rises = np.array([-0.5, 0.5]) * slope * run + depths[0] + depth
    return np.asarray(ends + rises[:, None] * inward(start, end))


def _best_line(strip: Map, run: float, max_slope: float) -> tuple[float, float]:
    """Return the slope, and the depth (index, at the strip's middle), of the outermost strong step."""
    slopes = np.linspace(-max_slope, max_slope, SLOPES)
    steps = _steps(np.stack([_profile(strip, slope * run) for slope in slopes], axis=1))
    best = steps.max(axis=0)
    is_peak = (best >= np.roll(best, 1)) & (best > np.roll(best, -1)) & (best >= OUTERMOST_SHARE * best.max())
    is_peak[[0, -1]] = False
    depth = int(np.argmax(is_peak)) if is_peak.any() else int(np.argmax(best[1:-1])) + 1
    row = int(np.argmax(steps[:, depth]))
    return float(slopes[row]), depth + _vertex(steps[row, depth - 1 : depth + 2])


def _profile(strip: Map, rise: float) -> Map:
    """Return the mean colour at each depth, D x C, along the line that rises by `rise` along the strip."""
    places = strip.shape[0]
    # Source depth of place p: depth + rise * (p / (places - 1) - 1 / 2).
    shear = np.array([[1, rise / (places - 1), -rise / 2], [0, 1, 0]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    sheared = cv2.warpAffine(strip, shear, strip.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
    rows = np.asarray(sheared).reshape(places, -1)
    return np.asarray(cv2.reduce(rows, 0, cv2.REDUCE_AVG), np.float32).reshape(strip.shape[1:])


def _steps(profiles: Map) -> Map:
    """Return the size of the colour's step across lines (S of them) at each depth, S x D, by profiles, D x S x C."""
    columns = profiles.reshape(len(profiles), -1)
    smooth = cv2.GaussianBlur(columns, (1, 0), sigmaX=1e-3, sigmaY=STEP_SIGMA_CELLS).reshape(profiles.shape)
    return np.asarray(np.linalg.norm(np.gradient(smooth, axis=0), axis=2), np.float32).T


def _vertex(values: Map) -> float:
    """Return the vertex, in [-0.5, 0.5], of the parabola through three values around a maximum."""
    if len(values) < 3:
        return 0.0
    left, middle, right = (float(value) for value in values)
    bend = left - 2 * middle + right
    return float(np.clip((left - right) / (2 * bend), -0.5, 0.5)) if bend < 0 else 0.0


def _meet(sides: Points) -> Points:
    """Return the corners where four fitted sides (4 x 2 points x 2) meet."""
    return meet(sides.mean(axis=1), sides[:, 1] - sides[:, 0])


def _parallelogram(sides: Points) -> Points:
    """Return the corners where four fitted sides (4 x 2 points x 2) meet after opposite sides were made parallel."""
    middles = sides.mean(axis=1)
    directions = sides[:, 1] - sides[:, 0]
    right, down = directions[0] - directions[2], directions[1] - directions[3]
    return meet(middles, np.array([right, down, -right, -down]))
