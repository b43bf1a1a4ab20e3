"""Annotations in the XML of Pascal VOC: a file of boxes per photograph."""

import math
import posixpath
from collections.abc import Iterator
from xml.etree import ElementTree

from ...core.errors import UserError
from ..spelling import kind_of
from .pairing import Pairing
from .shapes import Outlines, Shape, box, reach_px, turned_deg


def read(content: bytes, file: str, where: str, pairing: Pairing) -> Iterator[tuple[str, list[Shape]]]:
    """Yield the photograph of the file, and its shapes.

    Pixels are counted from 1, and a box includes its last row and column. Raises UserError for what has another form.
    """
    plain = content.replace(b"\0", b"")  # as ASCII, if it is in UTF-16
    if b"<!DOCTYPE" in plain or b"<!ENTITY" in plain:  # entities can fill the memory
        raise UserError(f"{where}: XML with a document type or entities; annotations have none")
    try:
        root = ElementTree.fromstring(content)  # noqa: S314 (refused above)
    except (ElementTree.ParseError, LookupError, ValueError) as error:  # the last two are of unknown encodings
        raise UserError(f"{where}: not valid XML: {error}") from error
    if root.tag != "annotation":
        raise UserError(f"{where}: XML of an unknown form, <{root.tag}>; expected that of Pascal VOC, <annotation>")
    named = root.findtext("filename", "").strip().replace("\\", "/")
    if named and "/" not in named:
        named = posixpath.join(posixpath.dirname(file), named)
    photograph = pairing.named(named, file, f"{where}: filename") if named else pairing.beside(file, where)
    size_px = _size_px(root, where)
    places = [(f"{where}: object {at}", found) for at, found in enumerate(root.iter("object"), start=1)]
    yield pairing.only(photograph, "VOC", file, where), [_shape(found, size_px, place) for place, found in places]


def _size_px(root: ElementTree.Element, where: str) -> tuple[int, int] | None:
    size = root.find("size")
    if size is None:
        return None
    width, height = (int(_number(size, name, f"{where}: size")) for name in ("width", "height"))
    return (width, height) if width and height else None


def _shape(found: ElementTree.Element, size_px: tuple[int, int] | None, where: str) -> Shape:
    kind, bounds = kind_of(found.findtext("name", "")), found.find("bndbox")
    if not kind or bounds is None:
        raise UserError(f"{where}: expected a name and a bndbox")
    left, top, right, bottom = (_number(bounds, name, where) for name in ("xmin", "ymin", "xmax", "ymax"))
    if right < left or bottom < top:
        raise UserError(f"{where}: bndbox: its right or lower side comes before the other")
    attributes = found.iterfind("attributes/attribute")
    rotations = (one for one in attributes if one.findtext("name", "").strip() == "rotation")
    degrees = next((turned_deg(one.findtext("value", "")) for one in rotations), 0.0)
    ring, beyond_px = box(left - 1, top - 1, right, bottom, degrees), reach_px(right - left, bottom - top, degrees)
    return Outlines(kind, where, (ring,), size_px, beyond_px=beyond_px)


def _number(parent: ElementTree.Element, name: str, where: str) -> float:
    text = parent.findtext(name, "")
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise UserError(f"{where}: {name}: expected a number, got {text!r}")
    return number
