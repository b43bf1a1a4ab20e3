"""The background in another light: a shadow changes its lightness and keeps its tint.

L + 16, a and b are proportional to the cube root of the light.
"""

import numpy as np
from numpy.typing import NDArray

from .background import View
from .edges import Edge, edges_in
from .geometry import Colour, Map, Points
from .strips import strip_of

MAX_SHADE_TINT = 3.0
"""A surface in shade keeps its tint up to this difference, in Lab units."""
SATURATED_TINT = 1.5 * MAX_SHADE_TINT
"""Differences above this one count alike, so that a vivid surface does not hide a dull one beside it."""
MIN_STEP = 0.5 * MAX_SHADE_TINT
PAST_LINE_CELLS = np.arange(2.0, 9.0)
"""Depths behind an edge where the tint must differ from the background's. A line on a mat is thinner."""


def is_shade(
    colour: Colour, ground: Colour, shades: tuple[float, float], max_tint: float = MAX_SHADE_TINT
) -> NDArray[np.bool_]:
    """Return whether Lab colours could be those of the background in another light, in a range of `shades`."""
    shade = shade_of(colour, ground)
    return np.asarray((shades[0] < shade) & (shade < shades[1]) & (tint_of(colour, ground) < max_tint))


def shade_of(colour: Colour, ground: Colour) -> Map:
    """Return the lightness of Lab colours, as L + 16, relative to that of the background."""
    return np.asarray((colour[..., 0] + 16) / (ground[..., 0] + 16), np.float32)


def tint_edges(view: View, start: Points, end: Points, depths: NDArray[np.float64]) -> list[Edge]:
    """Return the edges along a side where the background ends, whatever its light. A shadow has none.

    Behind a line on the background, the background goes on.
    """
    edges = [edge for edge in edges_in(_tint_strip(view, start, end, depths), depths) if edge.size >= MIN_STEP]
    return [edge for edge in edges if _stays(view, start, end, edge.depth_cells + PAST_LINE_CELLS)]


def _stays(view: View, start: Points, end: Points, depths: NDArray[np.float64]) -> bool:
    return bool((np.median(_tint_strip(view, start, end, depths), axis=0) >= MAX_SHADE_TINT).all())


def _tint_strip(view: View, start: Points, end: Points, depths: NDArray[np.float64]) -> Map:
    """Return by how much the tint along a side differs from the background's in that light; P / 4 x D x 1."""
    lab, ground = (strip_of(image, start, end, depths) for image in (view.lab, view.ground))
    return np.minimum(tint_of(lab, ground), SATURATED_TINT)[..., None]


def tint_of(colour: Colour, ground: Colour) -> Map:
    """Return how far the tint of Lab colours is from that of a ground in their light."""
    change = colour[..., 1:] - shade_of(colour, ground)[..., None] * ground[..., 1:]
    return np.asarray(np.linalg.norm(change, axis=-1), np.float32)
