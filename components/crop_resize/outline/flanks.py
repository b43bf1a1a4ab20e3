"""Leave out the sloping flanks of moulded packages, which appear from above as a darker rim around the face.

A rim counts only if it runs along the sides and is about equally wide on each. The face inside it must also be nearer
to the background's colour almost everywhere. Rows of balls, traces and the sawn edge of a laminate fail these tests.
"""

import numpy as np
from numpy.typing import NDArray

from .geometry import Points
from .strips import Map, inward, meet, sample_strip

MIN_WIDTH_SHARE, MAX_WIDTH_SHARE = 0.02, 0.08
"""Range of a rim's width, as a share of the shorter side."""
MIN_WIDTH_CELLS = 2.0
MIN_SIDES = 3
"""Minimum number of sides with a rim. A notch may hide the rim of a short side, which then gets the median width."""
MAX_WIDTH_RATIO = 2.5
"""Maximum ratio of the widest to the narrowest rim. They differ if the camera does not look straight down."""
MIN_DROP_SHARE = 0.08
"""Minimum by which the face is nearer to the background than the rim, as a share of the rim's own distance."""
MIN_PLACES_SHARE = 0.75
"""Minimum share of places along a side where the face is nearer. Lettering and a notch may interrupt the rim."""
FACE_WIDTHS = 3
"""The face is examined up to a depth of this many rim widths, and must not resemble the rim anywhere there."""
GROUP = 4
"""Number of places that are averaged, to suppress the grain of the mould compound."""


def leave_out_flanks(residual: Map, corners: Points) -> Points:
    """Return the corners of the face inside a package's flanks, or `corners` if no flanks are visible.

    `residual` is H x W x C, 0 in the background; `corners` (4 x 2) are clockwise and fit the outer edge.
    """
    ends = np.roll(corners, -1, axis=0)
    shorter = float(np.hypot(*(ends - corners).T).min())
    widths = [_rim_width(residual, corners[i], ends[i], shorter) for i in range(4)]
    seen = [width for width in widths if width]
    if len(seen) < MIN_SIDES or max(seen) > MAX_WIDTH_RATIO * min(seen):
        return corners
    widths = [width or float(np.median(seen)) for width in widths]
    moved = [corners[i] + widths[i] * inward(corners[i], ends[i]) for i in range(4)]
    return meet(np.array(moved), ends - corners)


def _rim_width(residual: Map, start: Points, end: Points, shorter: float) -> float:
    """Return the width of the rim along one side in cells, 0 if there is none."""
    min_width = max(MIN_WIDTH_CELLS, MIN_WIDTH_SHARE * shorter)
    max_width = MAX_WIDTH_SHARE * shorter
    depths = np.arange(1.0, FACE_WIDTHS * max_width)
    levels = _levels(sample_strip(residual, start, end, depths), depths < min_width)
    profile = levels.mean(axis=0)
    falls = np.where((depths >= min_width) & (depths <= max_width), -np.gradient(profile), -np.inf)
    step = int(np.argmax(falls))
    crest = int(np.argmax(profile[: step + 1]))
    face = (depths > depths[step] + 1) & (depths < FACE_WIDTHS * depths[step])
    if not (np.isfinite(falls[step]) and face.any()):
        return 0.0
    drop = profile[crest] - profile[face].max()
    places = levels[:, crest] > levels[:, face].mean(axis=1)
    clear = drop > MIN_DROP_SHARE * profile[crest] and places.mean() >= MIN_PLACES_SHARE
    return float(depths[step]) if clear else 0.0


def _levels(strip: Map, is_rim: NDArray[np.bool_]) -> Map:
    """Return the distance from the background in the direction of the rim's colour, per group of places and depth."""
    colour = np.median(strip[:, is_rim].reshape(-1, strip.shape[2]), axis=0)
    levels = strip @ (colour / max(float(np.linalg.norm(colour)), 1e-6))
    return np.asarray(levels.reshape(-1, GROUP, levels.shape[1]).mean(axis=1))
