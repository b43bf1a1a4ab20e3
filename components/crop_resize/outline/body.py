"""Find the sides of the whole body, where the search found a lid, a mould cap, or a wall beside the package.

All along its outline, a body has one colour: that of its rim. A lid inside it has edges as straight as its own, and so
have the wall of a thick package and a pocket of a tray. But behind the edges of those, the colour differs from side to
side, or it is the background's in another light.
"""

import itertools

import numpy as np
from numpy.typing import NDArray

from .background import View
from .edges import Edge, edges_along, strip_of
from .geometry import Points
from .strips import Map, inward, meet

OUT_SHARE, IN_SHARE = 0.35, 0.05
"""Reach of the search beyond and inside a side, as a share of the shorter side."""
MIN_SIZE = 6.0
"""Minimum change of colour across an edge, in Lab units."""
MIN_SUPPORT = 0.7
"""Minimum share of a side that shows the edge."""
BEHIND_CELLS = np.array([2.0, 3.0, 4.0])
"""Depths behind an edge where the body's colour is read, and before it where the background's is."""
MAX_DIFFERENCE = 10.0
"""Of the colour behind a side from that of the rim, in Lab units. Light differs from side to side."""
MAX_TINT = 3.0
"""A surface in shade keeps its tint up to this difference, in Lab units."""
SHADES = (0.6, 1.12)
"""Range of the lightness of the background in shade, relative to its own."""
STAYS_CELLS = 2.0

Colour = NDArray[np.float32]
Choice = tuple[Edge, Colour]


def whole_body(view: View, corners: Points) -> Points:
    """Return rough corners of the whole body that four found sides belong to, or `corners` if they are its sides."""
    ends = np.roll(corners, -1, axis=0)
    shorter = float(np.hypot(*(ends - corners).T).min())
    sides = [_choices(view, corners[i], ends[i], shorter) for i in range(4)]
    if not all(sides):
        return corners
    chosen = _outermost(sides)
    depths = [0.0 if abs(edge.depth_cells) <= STAYS_CELLS else edge.depth_cells for edge, _ in chosen]
    if not any(depths):
        return corners
    moved = [corners[i] + depths[i] * inward(corners[i], ends[i]) for i in range(4)]
    return meet(np.array(moved), ends - corners)


def _choices(view: View, start: Points, end: Points, shorter: float) -> list[Choice]:
    """Return the edges that could be the body's side, from outside to inside, each with the colour behind it."""
    depths = np.arange(-round(OUT_SHARE * shorter), round(IN_SHARE * shorter) + 1, dtype=np.float64)
    edges = [edge for edge in edges_along(view.lab, start, end, depths) if edge.support >= MIN_SUPPORT]
    choices = []
    for edge in edges:
        ground = _colour(view.ground, start, end, edge.depth_cells + BEHIND_CELLS)
        before, behind = (_colour(view.lab, start, end, edge.depth_cells + at) for at in (-BEHIND_CELLS, BEHIND_CELLS))
        found = abs(edge.depth_cells) <= STAYS_CELLS
        is_ground = _differ(behind, ground) < MIN_SIZE
        in_pocket = is_shade(behind, ground) and _differ(before, ground) > MIN_SIZE
        if found or (edge.size >= MIN_SIZE and not is_ground and not in_pocket):
            choices.append((edge, behind))
    return choices


def _colour(image: Map, start: Points, end: Points, depths: NDArray[np.float64]) -> Colour:
    return np.asarray(np.median(strip_of(image, start, end, depths).reshape(-1, 3), axis=0), np.float32)


def is_shade(colour: Colour, ground: Colour) -> bool:
    """Return whether a Lab colour could be that of the background in another light.

    L + 16, a and b are proportional to the cube root of the light.
    """
    shade = (colour[0] + 16) / (ground[0] + 16)
    tint = float(np.hypot(*(colour[1:] - shade * ground[1:])))
    return bool(SHADES[0] < shade < SHADES[1] and tint < MAX_TINT)


def _outermost(sides: list[list[Choice]]) -> list[Choice]:
    """Return a choice for each side, all of one colour, that together lie farthest out; else those nearest to 0."""
    best, best_depth = [min(choices, key=lambda choice: abs(choice[0].depth_cells)) for choices in sides], np.inf
    if _agree(best):
        best_depth = sum(edge.depth_cells for edge, _ in best)
    for _, colour in itertools.chain(*sides):
        row = [[choice for choice in choices if _differ(choice[1], colour) < MAX_DIFFERENCE] for choices in sides]
        if all(row) and sum(choices[0][0].depth_cells for choices in row) < best_depth:
            best = [choices[0] for choices in row]
            best_depth = sum(edge.depth_cells for edge, _ in best)
    return best


def _agree(row: list[Choice]) -> bool:
    mean = np.mean([colour for _, colour in row], axis=0)
    return all(_differ(colour, mean) < MAX_DIFFERENCE for _, colour in row)


def _differ(a: Colour, b: Colour) -> float:
    return float(np.linalg.norm(a - b))
