"""Annotations of labelme: a JSON file per photograph."""

import base64
import io
import math
import posixpath
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from PIL import Image
from pydantic import FiniteFloat
from pydantic.dataclasses import dataclass as checked

from ...core.errors import UserError
from ...core.parameters import parse
from .kinds import Kind
from .pairing import Pairing
from .shapes import BEYOND_PX, Covered, OneKind, Outlines, Patch, Ring, Shape, box, check_size, trimmed

CIRCLE_CORNERS = 64


@checked(frozen=True)
class _Shape:
    label: Kind
    points: list[tuple[FiniteFloat, FiniteFloat]]
    shape_type: str = "polygon"
    mask: str | None = None
    """Of the type `mask`: a PNG in base64, whose upper left pixel is the first point."""


@checked(frozen=True)
class _Content:
    shapes: list[_Shape]
    imagePath: str
    imageWidth: int | None = None
    imageHeight: int | None = None


@dataclass(frozen=True)
class Bitmap(OneKind):
    """A defect as an image of its pixels, which tools that find outlines write."""

    left_px: int
    top_px: int
    encoded: str
    size_px: tuple[int, int] | None
    """Width and height of the photograph according to the annotation."""

    def patches(self, width_px: int, height_px: int) -> Iterator[Patch]:
        """Yield its pixels."""
        check_size(self.size_px, width_px, height_px, self.where)
        covered = self._decoded()
        right_px, bottom_px = self.left_px + covered.shape[1], self.top_px + covered.shape[0]
        if min(self.left_px, self.top_px) < 0 or right_px > width_px or bottom_px > height_px:
            raise UserError(f"{self.where}: its mask reaches beyond the photograph of {width_px} x {height_px} px")
        patch = trimmed(self.kind, covered)
        yield replace(patch, left_px=self.left_px + patch.left_px, top_px=self.top_px + patch.top_px)

    def _decoded(self) -> Covered:
        try:
            with Image.open(io.BytesIO(base64.b64decode(self.encoded)), formats=("PNG",)) as image:
                return np.asarray(image.convert("L")) > 0
        except MemoryError:
            raise
        except Exception as error:  # Pillow raises nearly anything for images that were damaged
            raise UserError(f"{self.where}: mask: not a PNG in base64, or a damaged one") from error


def read(content: dict[str, Any], file: str, where: str, pairing: Pairing) -> Iterator[tuple[str, list[Shape]]]:
    """Yield the photograph of the file, and its shapes. Raises UserError for what is not in labelme's form."""
    found: _Content = parse(_Content, content, where)
    named = posixpath.join(posixpath.dirname(file), found.imagePath.replace("\\", "/"))
    photograph = pairing.only(pairing.named(named, file, f"{where}: imagePath"), "labelme", file, where)
    size_px = (found.imageWidth, found.imageHeight) if found.imageWidth and found.imageHeight else None
    places = (f"{where}: shapes.{at}" for at in range(len(found.shapes)))
    yield (
        photograph,
        [_shape(shape, size_px, place) for shape, place in zip(found.shapes, places, strict=True)],
    )


def _shape(shape: _Shape, size_px: tuple[int, int] | None, where: str) -> Shape:
    if shape.shape_type == "mask" and shape.mask and shape.points:
        left, top = shape.points[0]
        return Bitmap(shape.label, where, int(left), int(top), shape.mask, size_px)
    ring = _ring(shape, where)
    beyond_px = BEYOND_PX + (math.dist(*shape.points) if shape.shape_type == "circle" else 0)
    return Outlines(shape.label, where, (ring,), size_px, beyond_px=beyond_px)


def _ring(shape: _Shape, where: str) -> Ring:
    points = shape.points
    if shape.shape_type == "polygon" and len(points) >= 3:
        return tuple(points)
    if shape.shape_type in ("rectangle", "rotation") and len(points) == 4:  # as X-AnyLabeling writes them
        return tuple(points)
    if shape.shape_type == "rectangle" and len(points) == 2:
        (x0, y0), (x1, y1) = points
        return box(min(x0, x1), min(y0, y1), max(x0, x1), max(y0, y1))
    if shape.shape_type == "circle" and len(points) == 2:
        (x, y), radius = points[0], math.dist(*points)
        turns = [2 * math.pi * corner / CIRCLE_CORNERS for corner in range(CIRCLE_CORNERS)]
        return tuple((x + radius * math.cos(turn), y + radius * math.sin(turn)) for turn in turns)
    raise UserError(
        f"{where}: a {shape.shape_type} of {len(points)} points; expected a polygon of three points or more, a "
        "rectangle of two or four, a circle of two, or a mask"
    )
