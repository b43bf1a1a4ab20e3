"""Leave out the sloping flanks of moulded packages, which appear from above as a darker rim around the face.

A rim counts only if it runs along the sides and is about equally wide on each. The face inside it must also be nearer
to the background's colour almost everywhere. Rows of balls, traces and the sawn edge of a laminate fail these tests.

The plain rim of a laminate around a lid or a mould cap must stay. So the rim and the face must both look like the grey
of a mould compound in different light, and the package must be longer than wide, as those with leads on two sides are.
A rim that is left out wrongly costs a part of the package, and one that is kept wrongly costs nothing.
"""

import numpy as np
from numpy.typing import NDArray

from .background import View
from .geometry import Colour, Map, Points, side_lengths
from .shade import shade_of
from .strips import inward, meet, sample_strip

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
KEPT_SHARE = 1 / 3
"""Share of a rim's width that stays around the face. The face's edge is round and blurred, and no face may be lost."""
MIN_ELONGATION = 1.5
"""Minimum ratio of the longer to the shorter side. Laminates with a lid are nearly square."""
MAX_CHROMA = 14.0
"""Maximum chroma of a mould compound, in Lab units."""
MAX_MOULD_TINT = 8.0
"""Maximum difference of the tints of rim and face, in Lab units."""
MAX_LIGHTNESS_RATIO = 1.5
"""Maximum ratio of L + 16, which is proportional to the cube root of the light, between face and rim."""
GROUP = 4
"""Number of places that are averaged, to suppress the grain of the mould compound."""


def leave_out_flanks(view: View, corners: Points) -> Points:
    """Return the corners of the face inside a package's flanks, or `corners` if no flanks are visible.

    `corners` (4 x 2) are clockwise and fit the outer edge.
    """
    ends, lengths = np.roll(corners, -1, axis=0), side_lengths(corners)
    shorter = float(lengths.min())
    if lengths.max() < MIN_ELONGATION * shorter or MAX_WIDTH_SHARE * shorter < MIN_WIDTH_CELLS:
        return corners
    widths = [_rim_width(view, corners[i], ends[i], shorter) for i in range(4)]
    seen = [width for width in widths if width]
    if len(seen) < MIN_SIDES or max(seen) > MAX_WIDTH_RATIO * min(seen):
        return corners
    widths = [width or float(np.median(seen)) for width in widths]
    moved = [corners[i] + widths[i] * inward(corners[i], ends[i]) for i in range(4)]
    return meet(np.array(moved), ends - corners)


def _rim_width(view: View, start: Points, end: Points, shorter: float) -> float:
    """Return the width to leave out along one side in cells, 0 if there is no flank."""
    min_width = max(MIN_WIDTH_CELLS, MIN_WIDTH_SHARE * shorter)
    max_width = MAX_WIDTH_SHARE * shorter
    depths = np.arange(1.0, FACE_WIDTHS * max_width)
    levels = _levels(sample_strip(view.residual, start, end, depths), depths < min_width)
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
    lab = sample_strip(view.lab, start, end, depths)
    moulded = _is_moulded(np.median(lab[:, crest], axis=0), np.median(lab[:, face].reshape(-1, 3), axis=0))
    return (1 - KEPT_SHARE) * float(depths[step]) if clear and moulded else 0.0


def _is_moulded(rim: Colour, face: Colour) -> bool:
    """Return whether two Lab colours can be those of one mould compound in different light."""
    chroma = max(np.hypot(*rim[1:]), np.hypot(*face[1:]))
    lightness = float(shade_of(face, rim))
    like = max(lightness, 1 / lightness) < MAX_LIGHTNESS_RATIO
    return bool(like and chroma < MAX_CHROMA and np.hypot(*(face - rim)[1:]) < MAX_MOULD_TINT)


def _levels(strip: Map, is_rim: NDArray[np.bool_]) -> Map:
    """Return the distance from the background in the direction of the rim's colour, per group of places and depth."""
    colour = np.median(strip[:, is_rim].reshape(-1, strip.shape[2]), axis=0)
    levels = strip @ (colour / max(float(np.linalg.norm(colour)), 1e-6))
    return np.asarray(levels.reshape(-1, GROUP, levels.shape[1]).mean(axis=1))
