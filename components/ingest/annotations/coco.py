"""Annotations in COCO's JSON: polygons, run lengths or boxes, of many photographs in one file."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from pydantic import AfterValidator, BeforeValidator, FiniteFloat, NonNegativeInt
from pydantic.dataclasses import dataclass as checked

from ...core.errors import UserError
from ...core.parameters import parse
from .kinds import Kind
from .pairing import Pairing
from .shapes import OneKind, Outlines, Patch, Ring, Shape, box, check_size, reach_px, trimmed, turned_deg

MOST_BITS = 60
"""Of a number in compressed run lengths. More are damage."""


def _in_a_list(outlines: object) -> object:
    """Return the numbers of a single polygon in a list of one, as COCO has them."""
    return [outlines] if isinstance(outlines, list) and outlines[:1] and not isinstance(outlines[0], list) else outlines


ImageId = Annotated[int | str, AfterValidator(str)]
"""Tools write the same one as a number and as a text."""


@checked(frozen=True)
class _Image:
    id: ImageId
    file_name: str
    width: int
    height: int

    @property
    def size_px(self) -> tuple[int, int] | None:
        """Width and height, or none where a tool did not know them."""
        return (self.width, self.height) if self.width and self.height else None


@checked(frozen=True)
class _Category:
    id: int
    name: Kind


@checked(frozen=True)
class _RunLengths:
    counts: list[NonNegativeInt] | str
    size: tuple[int, int]
    """Height and width."""


@checked(frozen=True)
class _Annotation:
    image_id: ImageId
    category_id: int
    bbox: list[FiniteFloat] = field(default_factory=list)
    segmentation: Annotated[list[list[FiniteFloat]] | _RunLengths | None, BeforeValidator(_in_a_list)] = None
    attributes: Any = None


@checked(frozen=True)
class _Content:
    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


@dataclass(frozen=True)
class Runs(OneKind):
    """A defect as lengths of runs, first outside and then inside it, down one column after the other."""

    lengths: tuple[int, ...]
    size_px: tuple[int, int]
    """Width and height."""

    def patches(self, width_px: int, height_px: int) -> Iterator[Patch]:
        """Yield its pixels."""
        check_size(self.size_px, width_px, height_px, self.where)
        if sum(self.lengths) != width_px * height_px:
            raise UserError(f"{self.where}: segmentation: its runs have {sum(self.lengths)} px, not the photograph's")
        covered = np.repeat(np.arange(len(self.lengths)) % 2 == 1, self.lengths)
        yield trimmed(self.kind, covered.reshape(width_px, height_px).T)


def read(content: dict[str, Any], file: str, where: str, pairing: Pairing) -> Iterator[tuple[str, list[Shape]]]:
    """Yield every photograph that the file lists, and its shapes. Raises UserError for what is not in COCO's form."""
    found: _Content = parse(_Content, content, where)
    _check_numbers([image.id for image in found.images], f"{where}: images")
    _check_numbers([category.id for category in found.categories], f"{where}: categories")
    names = {category.id: category.name for category in found.categories}
    shapes: defaultdict[int | str, list[Shape]] = defaultdict(list)
    images = {image.id: image for image in found.images}
    for at, annotation in enumerate(found.annotations):
        place = f"{where}: annotations.{at}"
        if annotation.category_id not in names:
            raise UserError(f"{place}: category_id: {annotation.category_id} is none of the categories")
        if annotation.image_id not in images:
            raise UserError(f"{place}: image_id: {annotation.image_id} is none of the images")
        size_px = images[annotation.image_id].size_px
        shapes[annotation.image_id].append(_shape(annotation, names[annotation.category_id], size_px, place))
    for at, image in enumerate(found.images):
        place = f"{where}: images.{at}"
        photograph = pairing.named(image.file_name, file, place)
        yield pairing.only(photograph, where, image.file_name, place), shapes[image.id]


def _check_numbers(numbers: Sequence[int | str], where: str) -> None:
    """Refuse numbers that are given twice: it would be chance which of both is meant."""
    twice = [number for number, count in Counter(numbers).items() if count > 1]
    if twice:
        raise UserError(f"{where}: the id {twice[0]} is given to more than one")


def _shape(annotation: _Annotation, kind: str, size_px: tuple[int, int] | None, where: str) -> Shape:
    outlines = annotation.segmentation
    if isinstance(outlines, _RunLengths):
        lengths = outlines.counts if isinstance(outlines.counts, list) else _unpacked(outlines.counts, where)
        return Runs(kind, where, tuple(lengths), (outlines.size[1], outlines.size[0]))
    if rings := tuple(_ring(numbers, where) for numbers in outlines or [] if numbers):
        return Outlines(kind, where, rings, size_px)
    if len(annotation.bbox) != 4 or min(annotation.bbox[2:]) <= 0:
        raise UserError(f"{where}: neither a segmentation nor a bbox of four numbers: left, top, width and height")
    left, top, width, height = annotation.bbox
    found = annotation.attributes.get("rotation") if isinstance(annotation.attributes, dict) else None
    degrees = turned_deg(found if isinstance(found, int | float) else "")
    ring, beyond_px = box(left, top, left + width, top + height, degrees), reach_px(width, height, degrees)
    return Outlines(kind, where, (ring,), size_px, beyond_px=beyond_px)


def _ring(numbers: list[float], where: str) -> Ring:
    if len(numbers) < 6 or len(numbers) % 2:
        raise UserError(f"{where}: segmentation: {len(numbers)} numbers; expected x and y of three or more corners")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _unpacked(text: str, where: str) -> list[int]:
    """Return the run lengths of COCO's compressed text.

    Each character holds five bits of a number, the lowest first, and a bit that says whether more follow. From the
    fourth number on, differences from the last but one are written.
    """
    lengths: list[int] = []
    value = shift = 0
    for character in text:
        bits = ord(character) - 48
        if not 0 <= bits < 64 or shift > MOST_BITS:
            raise UserError(f"{where}: segmentation.counts: {character!r} is no character of compressed run lengths")
        value |= (bits & 31) << shift
        shift += 5
        if bits & 32:
            continue
        value -= (bits & 16) and 1 << shift
        lengths.append(value + (lengths[-2] if len(lengths) > 2 else 0))
        value = shift = 0
    if shift or min(lengths, default=0) < 0:
        raise UserError(f"{where}: segmentation.counts: compressed run lengths that end early or are damaged")
    return lengths
