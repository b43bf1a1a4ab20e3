"""Shapes of defects, and the mask of a photograph into which they are drawn.

Corners are (x, y) as tools of annotation write them: (0, 0) is the upper left corner of the photograph, so the centre
of its first pixel is (0.5, 0.5).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.errors import UserError
from ...core.images import Pixels
from ...core.log import logger
from .kinds import is_background, is_ignored, is_package

LOG = logger("ingest")
MAX_KINDS = 255
"""Kinds that a mask of 8 bits can tell apart."""
MAX_COVERED_SHARE = 0.5
"""Defects are small. What covers more of a photograph may be all but its defects."""
BEYOND_PX = 2.0
"""How far a shape may reach beyond its photograph, as tools round."""
Box = tuple[int, int, int, int]
"""Left, top, right and bottom: the edges of its first and last pixels."""
Ring = tuple[tuple[float, float], ...]
Covered = NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Patch:
    """The pixels of one kind of defect, in a window of the photograph."""

    kind: str
    left_px: int
    top_px: int
    covered: Covered


class Shape(Protocol):
    """What one entry of an annotation says, which is its `repr`. It is picklable, so other processes can draw it."""

    @property
    def kind(self) -> str:
        """What the entry is counted as."""

    @property
    def where(self) -> str:
        """The file, and the place in it."""

    @property
    def kinds(self) -> Sequence[str]:
        """The kinds of defects that it may hold."""

    def patches(self, width_px: int, height_px: int) -> Iterator[Patch]:
        """Yield its pixels in a photograph of this size. Raises UserError if it does not fit the photograph."""


@dataclass(frozen=True)
class OneKind:
    """A shape of one kind."""

    kind: str
    where: str = field(repr=False)
    """The file, and the place in it, which is no part of what it says."""

    @property
    def kinds(self) -> Sequence[str]:
        """The kind, as a list."""
        return [self.kind]


@dataclass(frozen=True)
class Outlines(OneKind):
    """A defect as polygons or boxes; more than one if something lies across it."""

    rings: tuple[Ring, ...]
    size_px: tuple[int, int] | None = None
    """Width and height of the photograph according to the annotation."""
    relative: bool = False
    """Corners are shares of width and height."""
    beyond_px: float = BEYOND_PX
    """How far it may reach beyond the photograph."""

    def patches(self, width_px: int, height_px: int) -> Iterator[Patch]:
        """Yield a patch per ring."""
        check_size(self.size_px, width_px, height_px, self.where)
        unit_px = np.array([width_px, height_px] if self.relative else [1, 1], dtype=np.float64)
        for ring in self.rings:
            yield self._patch(np.array(ring) * unit_px, width_px, height_px)

    def _patch(self, ring_px: NDArray[np.float64], width_px: int, height_px: int) -> Patch:
        low, high, size = ring_px.min(axis=0), ring_px.max(axis=0), (width_px, height_px)
        beyond_px = max(-low.min(), (high - size).max())
        if beyond_px > self.beyond_px:
            raise UserError(
                f"{self.where}: the {self.kind} reaches {beyond_px:.4g} px beyond the photograph, which has "
                f"{width_px} x {height_px} px; it may be of another photograph, or of one that was turned or resized"
            )
        left, top = (int(value) for value in np.floor(low).clip(0, np.array(size) - 1))
        right, bottom = (int(value) for value in np.ceil(high).clip([left + 1, top + 1], size))
        ring_px = ring_px - [left, top]
        covered = inside(ring_px, right - left, bottom - top)
        return Patch(self.kind, left, top, covered if covered.any() else _line(ring_px, covered.shape))


def turned_deg(rotation: str | float) -> float:
    """Return by how many degrees a box is turned, as CVAT writes it among its attributes. Others may mean anything."""
    try:
        degrees = float(rotation)
    except (ValueError, OverflowError):
        return 0.0
    return degrees if math.isfinite(degrees) else 0.0


def reach_px(width: float, height: float, degrees: float) -> float:
    """Return how far a box may reach beyond its photograph: a turned one as much farther as turning adds at most."""
    return BEYOND_PX + (math.hypot(width, height) - min(width, height)) / 2 * bool(degrees)


def box(left: float, top: float, right: float, bottom: float, degrees: float = 0.0) -> Ring:
    """Return the corners of a box that is turned clockwise about its centre, as CVAT does."""
    corners = ((left, top), (right, top), (right, bottom), (left, bottom))
    if not degrees:
        return corners
    x, y, turn = (left + right) / 2, (top + bottom) / 2, math.radians(degrees)
    cos, sin = math.cos(turn), math.sin(turn)
    return tuple((x + (a - x) * cos - (b - y) * sin, y + (a - x) * sin + (b - y) * cos) for a, b in corners)


def check_size(size_px: tuple[int, int] | None, width_px: int, height_px: int, where: str) -> None:
    """Raise a UserError if an annotation was made for a photograph of another size."""
    if size_px is not None and size_px != (width_px, height_px):
        raise UserError(
            f"{where}: it is for {size_px[0]} x {size_px[1]} px, but the photograph has {width_px} x {height_px} px, "
            "as displayed with its EXIF orientation"
        )


def trimmed(kind: str, covered: Covered) -> Patch:
    """Return the part of a photograph that holds all covered pixels."""
    left, top, width, height = cv2.boundingRect(covered.astype(np.uint8))
    return Patch(kind, left, top, covered[top : top + height, left : left + width].copy())


def inside(ring_px: NDArray[np.float64], width_px: int, height_px: int) -> Covered:
    """Return which pixels of a window have their centre inside a polygon, N x 2 (even-odd rule)."""
    x_px, y_px = np.arange(width_px) + 0.5, np.arange(height_px) + 0.5
    covered = np.zeros((height_px, width_px), dtype=np.bool_)
    for (x0, y0), (x1, y1) in zip(ring_px, np.roll(ring_px, -1, axis=0), strict=True):
        rows = (y_px >= min(y0, y1)) & (y_px < max(y0, y1))
        if rows.any():
            crossing_px = x0 + (y_px[rows] - y0) * (x1 - x0) / (y1 - y0)
            covered[rows] ^= x_px[None, :] > crossing_px[:, None]
    return covered


def _line(ring_px: NDArray[np.float64], shape: tuple[int, ...]) -> Covered:
    """Return the pixels along the outline of a polygon that is too thin to hold the centre of a pixel."""
    drawn = np.zeros(shape, dtype=np.uint8)
    corners = np.floor(ring_px).clip(0, np.array(shape[::-1]) - 1).astype(np.int32)
    cv2.polylines(drawn, [corners], True, (1.0,))
    return drawn.astype(np.bool_)


def boxes_px(shapes: Sequence[Shape], kind: str, width_px: int, height_px: int) -> list[Box]:
    """Return the upright box around each shape of a kind; one for shapes with the same, such as those of two exports.

    Raises UserError for a shape that does not fit.
    """
    return list(dict.fromkeys(found for shape in shapes for found in _around(shape, kind, width_px, height_px)))


def _around(shape: Shape, kind: str, width_px: int, height_px: int) -> list[Box]:
    """Return the box around all patches of a shape, or none if it has no pixel of this kind."""
    sides = [
        (patch.left_px, patch.top_px, patch.left_px + patch.covered.shape[1], patch.top_px + patch.covered.shape[0])
        for patch in shape.patches(width_px, height_px)
        if patch.kind == kind and patch.covered.size
    ]
    if not sides:
        return []
    left, top, right, bottom = zip(*sides, strict=True)
    return [(min(left), min(top), max(right), max(bottom))]


def draw_mask(shapes: Sequence[Shape], kinds: Sequence[str], width_px: int, height_px: int) -> Pixels:
    """Return the mask of a photograph, H x W uint8: 0 without a defect, k where the k-th of `kinds` is.

    Where shapes overlap, the smaller one counts, also if it is background. Packages and what is to be ignored are not
    drawn. Warn of defects that cover more than `MAX_COVERED_SHARE`. Raises UserError for a shape that does not fit the
    photograph.
    """
    mask = np.zeros((height_px, width_px), dtype=np.uint8)
    drawn = (patch for shape in shapes for patch in shape.patches(width_px, height_px))
    patches = [patch for patch in drawn if not is_package(patch.kind) and not is_ignored(patch.kind)]
    for patch in sorted(patches, key=lambda patch: -np.count_nonzero(patch.covered)):
        height, width = patch.covered.shape
        window = mask[patch.top_px : patch.top_px + height, patch.left_px : patch.left_px + width]
        window[patch.covered] = 0 if is_background(patch.kind) else kinds.index(patch.kind) + 1
    share = np.count_nonzero(mask) / mask.size
    if share > MAX_COVERED_SHARE:
        LOG.warning(
            "%s: its defects cover %.0f%% of the photograph; a mask may be inverted", shapes[0].where, 100 * share
        )
    return mask
