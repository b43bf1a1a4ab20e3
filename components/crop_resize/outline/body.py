"""Find the sides of the whole body, where the search found a lid, a mould cap, or a wall beside the package.

All along its outline, a body has one colour: that of its rim. A lid inside it has edges as straight as its own, and so
have the wall of a thick package and a pocket of a tray. But behind the edges of those, the colour differs from side to
side, or it is the background's in another light.
"""

import itertools
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .background import View
from .edges import Edge, edges_along
from .geometry import Colour, Map, Points, side_lengths
from .shade import MAX_SHADE_TINT, PAST_LINE_CELLS, is_shade, tint_edges, tint_of
from .strips import inward, meet, strip_of

OUT_SHARE, IN_SHARE, POCKET_SHARE = 0.35, 0.05, 0.2
"""Reach of the search beyond and inside a side, and inside the edge of a pocket, as a share of the shorter side."""
MIN_SIZE = 3.0
"""Minimum change of colour across an edge, in Lab units. The light around a body has fainter edges."""
MAX_ALIKE = 6.0
"""Up to this difference, in Lab units, two places may have one colour in a slightly different light."""
MIN_SUPPORT = 0.7
"""Minimum share of a side that shows the edge."""
COLOUR_CELLS = np.array([2.0, 3.0, 4.0])
"""Depths behind an edge where the body's colour is read, and before it where the background's is."""
MAX_DIFFERENCE = 10.0
"""Of the colour behind a side from that of the rim, in Lab units. Light differs from side to side."""
STAYS_CELLS = 2.0
MIN_OTHER = 2
"""Number of sides where a rim must differ from the background, or in tint from what is beside it. Near a border of the
frame that a package nearly reaches, the background is not known well. There the rim is known by its other sides."""
MAX_RIM_SPREAD = 0.02
"""Maximum difference between the widths of such a rim, as a share of the shorter side."""
NEAR_BORDER_SHARE = 0.06
"""Distance from a border of the frame, as a share of its shorter side, that such a body is within."""
RIM_SAMPLES = 7
"""Depths at which the colour of such a rim is read."""
TRAY = (0.6, 1.3)
"""Range of the lightness of a tray in which a pocket begins, relative to the background's. That lies between the
walls' and the floors' if much of both is seen."""
WALLS = (0.55, 1.45)
"""Range of the lightness of the walls of a pocket, relative to the background's. A package is darker or lighter."""


@dataclass(frozen=True, eq=False)
class _Choice:
    """An edge that could be a side of the body."""

    depth_cells: float
    colour: Colour
    """Behind the edge."""
    by_tint: bool = False
    """Whether the tint alone tells what is behind the edge from the background before it."""
    is_sure: bool = True
    """Whether it was found as a side, or lies between the background and something else."""
    is_other: bool = True
    """Whether it is sure, or what is behind it has another tint than what is before it, as a pocket has not."""


def whole_body(view: View, corners: Points) -> tuple[Points, bool]:
    """Return rough corners of the whole body that four found sides belong to, or `corners` if they are its sides.

    Also return whether edges alone show one of the sides, and not how far it differs from the background: in a shadow
    that keeps the tint, and at a border of the frame.
    """
    ends, shorter = np.roll(corners, -1, axis=0), float(side_lengths(corners).min())
    sides = [_choices(view, corners[i], ends[i], shorter, IN_SHARE) for i in range(4)]
    if _is_pocket(view, corners, sides):
        sides = [_choices(view, corners[i], ends[i], shorter, POCKET_SHARE) for i in range(4)]
    sure = _sure(sides)
    if not all(sure):
        return corners, False
    chosen, rim = _outermost(sure), _rim(sides, MAX_RIM_SPREAD * shorter)
    by_edges = any(choice.by_tint for choice in chosen)
    if rim and _depth(rim) < _depth(chosen) and _is_rim(view, corners, rim):
        chosen, by_edges = rim, True
    elif _leaves_out_rim(view, corners, chosen):
        return corners, False
    if all(abs(choice.depth_cells) <= STAYS_CELLS for choice in chosen):
        return corners, False
    return _moved(corners, chosen), by_edges


def _is_pocket(view: View, corners: Points, sides: list[list[_Choice]]) -> bool:
    """Return whether the four found sides bound the walls of a pocket: the ground in lights that differ."""
    sure, ends = _sure(sides), np.roll(corners, -1, axis=0)
    if not all(sure) or _agree(found := _nearest(sure)):
        return False
    ground = [_colour(view.ground, corners[i], ends[i], COLOUR_CELLS) for i in range(4)]
    return all(bool(is_shade(found[i].colour, ground[i], WALLS)) for i in range(4))


def _sure(sides: list[list[_Choice]]) -> list[list[_Choice]]:
    return [[choice for choice in choices if choice.is_sure] for choices in sides]


def _nearest(sides: list[list[_Choice]]) -> list[_Choice]:
    """Return the choice of each side that is nearest to the found side."""
    return [min(choices, key=lambda choice: abs(choice.depth_cells)) for choices in sides]


def _leaves_out_rim(view: View, corners: Points, chosen: list[_Choice]) -> bool:
    """Return whether two opposite sides would move inward past what is not the ground in another light.

    The walls of a thick package are seen on two sides that meet. A pocket has walls all around, of the ground's tint.
    """
    ends, moves_in = np.roll(corners, -1, axis=0), [choice.depth_cells > STAYS_CELLS for choice in chosen]
    return any(
        moves_in[i] and moves_in[i - 2] and not _is_ground(view, corners[i], ends[i], chosen[i].depth_cells)
        for i in range(4)
    )


def _is_ground(view: View, start: Points, end: Points, depth_cells: float) -> bool:
    """Return whether the ground in some light reaches from a side to a depth inside it."""
    depths = np.linspace(min(COLOUR_CELLS[0], depth_cells / 2), depth_cells - COLOUR_CELLS[0], RIM_SAMPLES)
    lab, ground = (np.median(strip_of(image, start, end, depths), axis=0) for image in (view.lab, view.ground))
    return bool((tint_of(lab, ground) < MAX_SHADE_TINT).all())


def _moved(corners: Points, chosen: list[_Choice]) -> Points:
    """Return the corners between the chosen edges. Sides that stay where they are found are kept exactly."""
    ends = np.roll(corners, -1, axis=0)
    depths = [0.0 if abs(choice.depth_cells) <= STAYS_CELLS else choice.depth_cells for choice in chosen]
    moved = [corners[i] + depths[i] * inward(corners[i], ends[i]) for i in range(4)]
    return meet(np.array(moved), ends - corners)


def _is_rim(view: View, corners: Points, rim: list[_Choice]) -> bool:
    """Return whether edges bound a body that has one colour up to `corners`, and are not those of a pocket's floor.

    Behind a line that is drawn around a package, the ground goes on. A shadow of the body leaves two sides free that
    meet, and the walls of a pocket at most two that do not.
    """
    height, width = view.lab.shape[:2]
    outer, ends = _moved(corners, rim), np.roll(corners, -1, axis=0)
    room = np.min([outer.min(axis=0), np.array([width, height]) - 1 - outer.max(axis=0)])
    meet_free = any(rim[i - 1].is_sure and rim[i].is_sure for i in range(4))
    return (meet_free or bool(room <= NEAR_BORDER_SHARE * min(height, width))) and all(
        _differ(_colour(view.lab, corners[i], ends[i], depth), rim[i].colour) < MAX_ALIKE
        for i in range(4)
        for depth in np.linspace(rim[i].depth_cells + COLOUR_CELLS[0], -COLOUR_CELLS[0], RIM_SAMPLES)[:, None]
    )


def _choices(view: View, start: Points, end: Points, shorter: float, in_share: float) -> list[_Choice]:
    """Return the edges that could be the body's side, from outside to inside."""
    depths = np.arange(-round(OUT_SHARE * shorter), round(in_share * shorter) + 1, dtype=np.float64)
    edges = [edge for edge in edges_along(view.lab, start, end, depths) if edge.support >= MIN_SUPPORT]
    choices = [
        _judged(view, start, end, edge)
        for edge in edges
        if abs(edge.depth_cells) <= STAYS_CELLS or edge.size >= MIN_SIZE
    ]
    for edge in tint_edges(view, start, end, depths):
        seen = any(one.is_sure and abs(edge.depth_cells - one.depth_cells) <= STAYS_CELLS for one in choices)
        if edge.support >= MIN_SUPPORT and not seen:
            choices.append(_choice(view, start, end, edge.depth_cells, by_tint=True))
    return sorted(choices, key=lambda choice: choice.depth_cells)


def _judged(view: View, start: Points, end: Points, edge: Edge) -> _Choice:
    is_sure = _may_be_side(view, start, end, edge)
    is_other = is_sure or _is_other(view, start, end, edge)
    return _choice(view, start, end, edge.depth_cells, is_sure=is_sure, is_other=is_other)


def _may_be_side(view: View, start: Points, end: Points, edge: Edge) -> bool:
    """Return whether an edge was found as a side, or lies between the background and something else."""
    if abs(edge.depth_cells) <= STAYS_CELLS:
        return True
    if _shows_ground(view, start, end, edge.depth_cells + PAST_LINE_CELLS):
        return False
    ground = _colour(view.ground, start, end, edge.depth_cells + COLOUR_CELLS)
    before, behind = (_colour(view.lab, start, end, edge.depth_cells + at) for at in (-COLOUR_CELLS, COLOUR_CELLS))
    return not (is_shade(behind, ground, TRAY) and _differ(before, ground) > MAX_ALIKE)


def _shows_ground(view: View, start: Points, end: Points, depths: NDArray[np.float64]) -> bool:
    """Return whether one of the depths along a side has the colour of the background, as behind a line on it."""
    lab, ground = (np.median(strip_of(image, start, end, depths), axis=0) for image in (view.lab, view.ground))
    return bool((np.linalg.norm(lab - ground, axis=1) < MIN_SIZE).any())


def _is_other(view: View, start: Points, end: Points, edge: Edge) -> bool:
    """Return whether an edge lies between two tints, whatever the background is thought to be."""
    before, behind = (_colour(view.lab, start, end, edge.depth_cells + at) for at in (-COLOUR_CELLS, COLOUR_CELLS))
    return float(tint_of(behind, before)) > MAX_SHADE_TINT


def _choice(view: View, start: Points, end: Points, depth_cells: float, **known: bool) -> _Choice:
    return _Choice(depth_cells, _colour(view.lab, start, end, depth_cells + COLOUR_CELLS), **known)


def _colour(image: Map, start: Points, end: Points, depths: NDArray[np.float64]) -> Colour:
    return np.asarray(np.median(strip_of(image, start, end, depths).reshape(-1, 3), axis=0), np.float32)


def _outermost(sides: list[list[_Choice]]) -> list[_Choice]:
    """Return a choice for each side, all of one colour, that together lie farthest out; else those nearest to 0."""
    best, best_depth = _nearest(sides), np.inf
    if _agree(best):
        best_depth = _depth(best)
    for colour in [choice.colour for choice in itertools.chain(*sides)]:
        row = [[choice for choice in choices if _differ(choice.colour, colour) < MAX_DIFFERENCE] for choices in sides]
        if all(row) and _depth(outer := [choices[0] for choices in row]) < best_depth:
            best, best_depth = outer, _depth(outer)
    return best


def _rim(sides: list[list[_Choice]], spread: float) -> list[_Choice] | None:
    """Return a choice for each side, all of one colour and about as far out, if some are of another body. Else None."""
    for choice in sorted(itertools.chain(*sides), key=lambda choice: choice.depth_cells):
        row = [[one for one in choices if _differ(one.colour, choice.colour) < MAX_DIFFERENCE] for choices in sides]
        near = [[one for one in ones if abs(one.depth_cells - choice.depth_cells) <= spread] for ones in row]
        if all(near) and sum(ones[0].is_other for ones in near) >= MIN_OTHER:
            # Before the edge of a body there may be that of its shadow.
            return [next((one for one in ones if one.is_sure), ones[0]) for ones in near]
    return None


def _depth(row: list[_Choice]) -> float:
    return sum(choice.depth_cells for choice in row)


def _agree(row: list[_Choice]) -> bool:
    mean = np.mean([choice.colour for choice in row], axis=0)
    return all(_differ(choice.colour, mean) < MAX_DIFFERENCE for choice in row)


def _differ(a: Colour, b: Colour) -> float:
    return float(np.linalg.norm(a - b))
