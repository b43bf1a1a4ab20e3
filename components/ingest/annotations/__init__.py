"""Annotations of defects as tools write them: COCO JSON, labelme JSON, YOLO text, VOC XML, and masks.

Each file's format is found by its content, except that of a mask, which is found by its suffix.
"""

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from ...core.errors import UserError
from ...core.log import logger
from ..sources.listing import Listing
from . import coco, labelme, masks, voc, yolo
from .classes import ClassNames
from .pairing import Pairing
from .shapes import MAX_KINDS, Shape, draw_mask

__all__ = ["Annotations", "Shape", "draw_mask", "read_annotations"]

LOG = logger("ingest")


@dataclass(frozen=True)
class Annotations:
    """What is annotated in the photographs of a source."""

    kinds: list[str]
    """The kinds of defects, in alphabetical order. The value k in a mask means the k-th of them."""
    shapes: dict[str, list[Shape]]
    """By photograph. An empty list means that somebody looked and found no defect."""


def read_annotations(listing: Listing, files: Sequence[str], asked: str, photographs: Sequence[str]) -> Annotations:
    """Return what the annotation files `files` of a source say of its photographs.

    `asked` is the value of `ingest.annotations`. Raises UserError, with the file and the place within it, for a file in
    no known format, for an unknown photograph and for an unknown class.
    """
    if not asked:
        return Annotations([], {})
    if not files:
        raise UserError(f"ingest.annotations: {asked}: no file of the source has this name, folder or pattern")
    pairing, names = Pairing(photographs), ClassNames(listing)
    shapes: dict[str, list[Shape]] = {}
    for file in files:
        for photograph, found in _read(listing, file, asked, pairing, names):
            shapes.setdefault(photograph, []).extend(found)
    counts = Counter(shape.kind for found in shapes.values() for shape in found)
    kinds = sorted({kind for found in shapes.values() for shape in found for kind in shape.kinds})
    if len(kinds) > MAX_KINDS:
        raise UserError(f"ingest.annotations: {len(kinds)} kinds of defects, but a mask has values for {MAX_KINDS}")
    LOG.info(
        "annotations of %d of %d photographs: %s",
        *(len(shapes), len(photographs)),
        ", ".join(f"{count} {kind or 'masks'}" for kind, count in sorted(counts.items())) or "no defect",
    )
    return Annotations(kinds, shapes)


def _read(
    listing: Listing, file: str, asked: str, pairing: Pairing, names: ClassNames
) -> Iterator[tuple[str, list[Shape]]]:
    """Yield the photographs that a file says something of, and their shapes."""
    where = f"{file} (ingest.annotations)"
    if PurePosixPath(file).suffix.lower() in masks.SUFFIXES:
        return masks.read(listing.file(file), asked, pairing, names)
    content = listing.read(file)
    if content.startswith((b"\xff\xd8", b"\x89PNG")):
        raise UserError(f"{where}: an image that cannot be a mask; expected {', '.join(masks.SUFFIXES)}")
    start = content.lstrip(b"\xef\xbb\xbf \t\r\n")[:1]
    if start == b"<":
        return voc.read(content, file, where, pairing)
    if start in (b"{", b"["):
        return _read_json(content, file, where, pairing)
    if file in names.files:
        return iter(())
    return yolo.read(content, file, where, pairing, names)


def _read_json(content: bytes, file: str, where: str, pairing: Pairing) -> Iterator[tuple[str, list[Shape]]]:
    try:
        found = json.loads(content)
    except ValueError as error:
        raise UserError(f"{where}: not valid JSON: {error}") from error
    if isinstance(found, dict) and "annotations" in found:
        return coco.read(found, where, pairing)
    if isinstance(found, dict) and "shapes" in found:
        return labelme.read(found, file, where, pairing)
    raise UserError(f"{where}: JSON of an unknown form; expected that of COCO (annotations) or of labelme (shapes)")
