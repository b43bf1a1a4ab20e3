"""Annotations of labelme: a JSON file per photograph."""

import math
import posixpath
from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import FiniteFloat, StringConstraints
from pydantic.dataclasses import dataclass as checked

from ...core.errors import UserError
from ...core.parameters import parse
from .pairing import Pairing
from .shapes import Outlines, Ring, Shape, box

CIRCLE_CORNERS = 64


@checked(frozen=True)
class _Shape:
    label: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
    points: list[tuple[FiniteFloat, FiniteFloat]]
    shape_type: str = "polygon"


@checked(frozen=True)
class _Content:
    shapes: list[_Shape]
    imagePath: str
    imageWidth: int | None = None
    imageHeight: int | None = None


def read(content: dict[str, Any], file: str, where: str, pairing: Pairing) -> Iterator[tuple[str, list[Shape]]]:
    """Yield the photograph of the file, and its shapes. Raises UserError for what is not in labelme's form."""
    found: _Content = parse(_Content, content, where)
    named = posixpath.join(posixpath.dirname(file), found.imagePath.replace("\\", "/"))
    photograph = pairing.only(pairing.named(named, f"{where}: imagePath"), "labelme", file, where)
    size_px = (found.imageWidth, found.imageHeight) if found.imageWidth and found.imageHeight else None
    places = (f"{where}: shapes.{at}" for at in range(len(found.shapes)))
    yield (
        photograph,
        [
            Outlines(shape.label, place, (_ring(shape, place),), size_px)
            for shape, place in zip(found.shapes, places, strict=True)
        ],
    )


def _ring(shape: _Shape, where: str) -> Ring:
    points = shape.points
    if shape.shape_type == "polygon" and len(points) >= 3:
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
        "rectangle of two, or a circle of two"
    )
