"""Refuse what looks like a package but is none, or is not seen whole."""

import cv2
import numpy as np

from ...core.errors import UnusableImageError
from .background import BRIGHT_PERCENT, View
from .edges import edges_along
from .geometry import Map, Points, side_lengths
from .shade import is_shade, shade_of, tint_edges
from .strips import rectified, strip_of

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
TEXTURE_RATIO = 1.5
"""So it is below this multiple of the share that the ground around has in that light. Textures differ from place to
place; a package with a marking has many times more details."""
SHADOWS = (0.4, 1.12)
"""Range of the lightness of a plain area that is taken for the background in another light. One lamp alone leaves less
light in its shadow than there is in a pocket."""
PAPER_LIGHTNESS, PAPER_CHROMA = 70.0, 12.0
PAPER_SHARE = 0.85
"""Paper has at least this share of the lightness of a photograph's brightest places, if all are darker than that."""
CLEAR_CELLS, BEYOND_SHARE = 4.0, 0.15
"""Distances from a corner, the second as a share of the shorter side, between which the edge along a side is compared
on both sides of the corner. Corners may be rounded."""
MIN_BEYOND_CELLS = 12.0
STEP_CELLS = np.arange(2.0, 6.0)
"""Depths inside and outside a side where its colours are compared."""
MIN_STEP = 2.5
"""Minimum change of colour across such an edge, in Lab units. Noise leaves less."""
GOES_ON_SHARE = 0.65
"""Minimum part of this change that is left beyond a corner, where an edge goes on. Half of it may come from stripes on
the ground."""


def has_sharp_sides(view: View, corners: Points) -> bool:
    """Return whether a sharp edge runs along each side of four corners (4 x 2, clockwise)."""
    ends = np.roll(corners, -1, axis=0)
    return all(_is_sharp(view.lab, a, b) or _is_tinted(view, a, b) for a, b in zip(corners, ends, strict=True))


def refuse_part(view: View, corners: Points) -> None:
    """Raise UnusableImageError if the edge along a side goes on beyond a corner, so that the body does, too.

    Else one of the four sides is no side of the body: lettering across it, say, or the wall of a pocket.
    """
    ends, reach = np.roll(corners, -1, axis=0), max(MIN_BEYOND_CELLS, BEYOND_SHARE * side_lengths(corners).min())
    if any(_goes_on(view.lab, start, end, reach) for start, end in zip(corners, ends, strict=True)):
        raise UnusableImageError("no package found: a side of the object goes on beyond its corner")


def refuse_plain(view: View, corners: Points) -> None:
    """Raise UnusableImageError for a plain area that is white like paper, or the background in another light."""
    inside = _inside(view.lab, corners)
    detail_share = _detail_share(inside)
    colour = np.median(inside.reshape(-1, 3), axis=0)
    ground = np.median(_inside(view.ground, corners).reshape(-1, 3), axis=0)
    if is_shade(colour, ground, SHADOWS):
        texture_share = _texture_share(view.lab, corners, float(shade_of(colour, ground)))
        if detail_share < max(SHADED_SHARE, TEXTURE_RATIO * texture_share):
            raise UnusableImageError("no package found: an empty pocket, or a shadow")
    paper = min(PAPER_LIGHTNESS, PAPER_SHARE * float(np.percentile(view.lab[..., 0], BRIGHT_PERCENT)))
    if detail_share < PLAIN_SHARE and colour[0] > paper and np.hypot(*colour[1:]) < PAPER_CHROMA:
        raise UnusableImageError("no package found: the object on the background is a blank white sheet")


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


def _goes_on(lab: Map, start: Points, end: Points, reach: float) -> bool:
    """Return whether the edge along a side goes on beyond one of its ends."""
    length = float(np.hypot(*(end - start)))
    along = (end - start) / length
    spans = [(-reach, -CLEAR_CELLS), (CLEAR_CELLS, reach)]
    spans += [(length - reach, length - CLEAR_CELLS), (length + CLEAR_CELLS, length + reach)]
    before, first, last, after = (_step(lab, start + a * along, start + b * along) for a, b in spans)
    return _is_like(before, first) or _is_like(after, last)


def _step(lab: Map, start: Points, end: Points) -> Map:
    """Return by how much the colour (3) changes from outside to inside, across a line."""
    inside, outside = (strip_of(lab, start, end, depths).mean(axis=1) for depths in (STEP_CELLS, -STEP_CELLS))
    return np.asarray(np.median(inside - outside, axis=0), np.float32)


def _is_like(beyond: Map, step: Map) -> bool:
    size = float(np.linalg.norm(step))
    return size >= MIN_STEP and float(beyond @ step) >= GOES_ON_SHARE * size**2


def _inside(image: Map, corners: Points) -> Map:
    """Return what four corners enclose, without a rim, as a square."""
    size = round(INSIDE_CELLS / (1 - 2 * INSET_SHARE))
    rim = (size - INSIDE_CELLS) // 2
    return rectified(image, corners, size)[rim:-rim, rim:-rim]


def _texture_share(lab: Map, corners: Points, shade: float) -> float:
    """Return the share of details that the ground beyond four corners has in another light.

    It is the median of four areas, because other things may lie in one of them.
    """
    steps = np.roll(corners, -1, axis=0) - corners
    right, down = (steps[0] - steps[2]) / 2, (steps[1] - steps[3]) / 2
    beyond = [_inside(lab, corners + move) for move in (right, down, -right, -down)]
    return float(np.median([_detail_share(area * shade) for area in beyond]))


def _detail_share(inside: Map) -> float:
    detail = np.linalg.norm(inside - cv2.GaussianBlur(inside, (0, 0), DETAIL_SIGMA_CELLS), axis=2)
    return float((detail > MIN_DETAIL).mean())
