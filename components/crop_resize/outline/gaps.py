"""Refuse what the ground shows through: several packages side by side, and frames.

The rough search joins packages across small gaps. The ground, in its light or in shade, reaches straight across them,
and interrupts the rims that it passes. A plain body, or one with rows of lands, may look like the ground in shade too,
but its rim does not change where such a row ends.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.errors import UnusableImageError
from .background import View
from .geometry import Map, Points
from .shade import is_shade
from .strips import rectified

LINES, PARTS = 256, 32
"""Number of lines across a body, parallel to a side, and of parts along each of them."""
OUTER_SHARE = 0.08
"""Share of the lines that is left out at both sides. Packages are wider than this."""
MIN_GROUND_SHARE = 0.88
"""Minimum share of a line's parts that show the ground. Lines on a mat may cross it."""
MAX_SIGMAS = 6.0
"""Maximum difference of the ground in its own light, in its standard deviations. Wood has streaks."""
GAP_SHADES, MAX_GAP_TINT = (0.25, 1.12), 4.0
"""Range of the lightness of the ground in a gap, relative to its own, and maximum difference of its tint, in Lab units.
Between thick packages, it is dark, and the blur of a narrow gap mixes it with their colours."""
MIN_CHANGE = 3.0
"""Minimum change of the rim's colour where a gap interrupts it, in Lab units."""
STEP = 4
"""Number of lines within which the rim changes so much where a gap begins and ends. Light changes it slowly."""
HIDDEN = 2
"""Number of successive lines of a gap that may not show the ground, because of noise or of lines on a mat."""
MAX_GAP = 25
"""Maximum number of lines of a gap. The rough search joins no packages that lie farther apart."""
FRAME_SHARE = 0.15
"""Share of the body at each side that may be the frame around an opening."""
MIN_OPEN_SHARE, MAX_OPEN_CHANGE = 0.94, 3.0
"""Minimum share of an opening that is like the ground, and maximum difference of its median colour, in Lab units. The
marking of a package as black as the ground takes more."""
MIN_LINED_SHARE, LIKE_AROUND, MAX_LINE_TINT = 0.85, 0.95, 8.0
"""The same on a mat with lines, where the share is relative to that around, too, and the lines go on in the opening:
the median of a and b of their Lab colours differs by no more. Their lightness depends on how sharp they are."""
AROUND_STEP = 4
"""Every so many rows and columns of the ground are looked at."""


def refuse_several(view: View, corners: Points) -> None:
    """Raise UnusableImageError if the ground reaches across four corners (4 x 2, clockwise), parallel to a side."""
    seen = _seen(view, corners)
    if _has_gap(*seen) or _has_gap(*(square.transpose(1, 0, 2) for square in seen)):
        raise UnusableImageError("more than one object in the frame could be the package")


def refuse_frame(view: View, corners: Points) -> None:
    """Raise UnusableImageError if four corners (4 x 2, clockwise) enclose the ground, as a frame of wire does."""
    rim = round(FRAME_SHARE * LINES)
    lab, ground, residual = (image[rim:-rim, rim:-rim].reshape(-1, 3) for image in _seen(view, corners))
    change = np.linalg.norm(np.median(lab - ground, axis=0))
    is_open = np.linalg.norm(residual, axis=1) < MAX_SIGMAS
    if change < MAX_OPEN_CHANGE and (is_open.mean() >= MIN_OPEN_SHARE or _is_lined(view, corners, lab, is_open)):
        raise UnusableImageError("no package found: the object on the background is a frame around the background")


def _is_lined(view: View, corners: Points, lab: Map, is_open: NDArray[np.bool_]) -> bool:
    """Return whether lines of the ground around go on in an opening, which is like the ground beside them."""
    outside = np.ones(view.lab.shape[:2], np.uint8)
    cv2.fillConvexPoly(outside, np.round(corners).astype(np.int32), (0,))
    step = (slice(None, None, AROUND_STEP),) * 2
    around, residual = (image[step][outside[step] > 0] for image in (view.lab, view.residual))
    is_ground = np.linalg.norm(residual, axis=1) < MAX_SIGMAS
    if is_open.all() or is_ground.all() or is_open.mean() < max(MIN_LINED_SHARE, LIKE_AROUND * is_ground.mean()):
        return False
    lines, lines_around = (np.median(one[:, 1:], axis=0) for one in (lab[~is_open], around[~is_ground]))
    return bool(np.linalg.norm(lines - lines_around) < MAX_LINE_TINT)


def _has_gap(*seen: Map) -> bool:
    """Return whether the ground fills a row of a square; colours, ground and residual, LINES x LINES x 3 each."""
    lab, ground, residual = (np.median(square.reshape(LINES, PARTS, -1, 3), axis=2) for square in seen)
    is_ground = is_shade(lab, ground, GAP_SHADES, MAX_GAP_TINT) | (np.linalg.norm(residual, axis=2) < MAX_SIGMAS)
    is_gap = is_ground.mean(axis=1) >= MIN_GROUND_SHARE
    for end in (0, -1):
        rim = np.median(lab[:, end], axis=0)
        is_gap &= is_ground[:, end] & (np.linalg.norm(lab[:, end] - rim, axis=1) > MIN_CHANGE)
    is_gap = cv2.morphologyEx(is_gap.astype(np.uint8), cv2.MORPH_CLOSE, np.ones(HIDDEN + 1)).ravel() > 0
    outer = round(OUTER_SHARE * LINES)
    is_gap[:outer] = is_gap[-outer:] = False
    starts, stops = np.flatnonzero(np.diff(is_gap, prepend=False, append=False)).reshape(-1, 2).T
    return any(
        _is_sharp(lab, start, stop) for start, stop in zip(starts, stops, strict=True) if stop - start <= MAX_GAP
    )


def _is_sharp(lab: Map, start: int, stop: int) -> bool:
    """Return whether both rims of a square change within a few lines where a gap begins, and where it ends."""
    for end in (0, -1):
        rim = lab[:, end]
        for beyond, near in ((start - STEP, rim[start:stop][:STEP]), (stop - 1 + STEP, rim[start:stop][-STEP:])):
            if np.linalg.norm(near - rim[beyond], axis=1).max() <= MIN_CHANGE:
                return False
    return True


def _seen(view: View, corners: Points) -> list[Map]:
    return [rectified(image, corners, LINES) for image in (view.lab, view.ground, view.residual)]
