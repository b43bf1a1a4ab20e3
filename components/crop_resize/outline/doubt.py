"""Refuse what looks like a package but is none, or is not seen whole."""

import cv2
import numpy as np

from .background import View
from .edges import edges_along, strip_of
from .errors import OutlineNotFoundError
from .geometry import Points
from .shade import is_shade, tint_edges
from .strips import Map

NEAR_CELLS = 2.5
MIN_SUPPORT = 0.6
"""Minimum share of each side that must show an edge. A notch or a lead may interrupt it."""
PENUMBRA_CELLS, NARROW_RIM_CELLS = 12.0, 6.0
"""Depths outside and inside a side between which the colour of a shadow changes; a lid may begin farther inside."""
MIN_SHARPNESS = 0.3
"""Minimum part of this change that happens within a few cells. Shadows have soft edges."""
INSET_SHARE = 0.12
"""Share of the shorter side that is left out around the inside."""
INSIDE_CELLS = 128
DETAIL_SIGMA_CELLS = 4.0
MIN_DETAIL = 6.0
"""Difference from the surroundings, in Lab units, that makes a cell a detail: of a marking, a ball or a lid."""
PLAIN_SHARE = 0.002
"""Below this share of details, white is paper."""
SHADED_SHARE = 0.01
"""Below this share of details, the background's colour in another light is the background: it has a texture, too."""
PAPER_LIGHTNESS, PAPER_CHROMA = 70.0, 12.0


def has_sharp_sides(view: View, corners: Points) -> bool:
    """Return whether a sharp edge runs along each side of four corners (4 x 2, clockwise)."""
    ends = np.roll(corners, -1, axis=0)
    return all(_is_sharp(view.lab, a, b) or _is_tinted(view, a, b) for a, b in zip(corners, ends, strict=True))


def refuse_plain(view: View, corners: Points) -> None:
    """Raise OutlineNotFoundError for a plain area that is white like paper, or the background in another light."""
    inside = _inside(view.lab, corners)
    detail_share = _detail_share(inside)
    colour = np.median(inside.reshape(-1, 3), axis=0)
    ground = np.median(_inside(view.ground, corners).reshape(-1, 3), axis=0)
    if detail_share < SHADED_SHARE and is_shade(colour, ground):
        raise OutlineNotFoundError("no package found: an empty pocket, or a shadow")
    if detail_share < PLAIN_SHARE and colour[0] > PAPER_LIGHTNESS and np.hypot(*colour[1:]) < PAPER_CHROMA:
        raise OutlineNotFoundError("no package found: the object on the background is a blank white sheet")


def _is_sharp(lab: Map, start: Points, end: Points) -> bool:
    depths = np.arange(-PENUMBRA_CELLS, NARROW_RIM_CELLS + 1.0)
    edges = [edge for edge in edges_along(lab, start, end, depths) if abs(edge.depth_cells) <= NEAR_CELLS]
    profile = np.median(strip_of(lab, start, end, depths), axis=0)
    change = float(np.linalg.norm(profile[-3:].mean(axis=0) - profile[:4].mean(axis=0)))
    return any(edge.support >= MIN_SUPPORT and edge.size >= MIN_SHARPNESS * change for edge in edges)


def _is_tinted(view: View, start: Points, end: Points) -> bool:
    """Return whether a side is an edge of the tint, so that there is no shadow behind it."""
    edges = tint_edges(view, start, end, np.arange(-PENUMBRA_CELLS, NARROW_RIM_CELLS + 1.0))
    return any(abs(edge.depth_cells) <= NEAR_CELLS and edge.support >= MIN_SUPPORT for edge in edges)


def _inside(image: Map, corners: Points) -> Map:
    """Return what four corners enclose, without a rim, as a square."""
    size = round(INSIDE_CELLS / (1 - 2 * INSET_SHARE))
    square = np.array([(0, 0), (size, 0), (size, size), (0, size)], np.float32) - 0.5
    warp = cv2.getPerspectiveTransform(corners.astype(np.float32), square)
    rim = (size - INSIDE_CELLS) // 2
    return np.asarray(cv2.warpPerspective(image, warp, (size, size)), np.float32)[rim:-rim, rim:-rim]


def _detail_share(inside: Map) -> float:
    detail = np.linalg.norm(inside - cv2.GaussianBlur(inside, (0, 0), DETAIL_SIGMA_CELLS), axis=2)
    return float((detail > MIN_DETAIL).mean())
