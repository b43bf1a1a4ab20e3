"""Annotations of defects and of packages as tools write them: COCO JSON, labelme JSON, YOLO text, VOC XML, and masks.

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
from ..spelling import decoded, warn_of_twins
from . import coco, labelme, masks, voc, yolo
from .classes import ClassNames
from .kinds import is_marked, is_package
from .pairing import Pairing
from .shapes import MAX_KINDS, Shape, boxes_px, draw_mask

__all__ = ["Annotations", "Boxes", "Shape", "boxes_px", "draw_mask", "read_annotations", "read_boxes"]

LOG = logger("ingest")
CACHE = ".cache"
"""The suffix of what YOLO keeps beside its labels, to read them faster."""
BEFORE_TEXT = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"
"""Byte order marks and blanks, also those of UTF-16."""


@dataclass(frozen=True)
class Annotations:
    """What is annotated in the photographs of a source."""

    kinds: list[str]
    """The kinds of defects, in alphabetical order. The value k in a mask means the k-th of them."""
    shapes: dict[str, list[Shape]]
    """By photograph. An empty list means that somebody looked and found no defect."""


@dataclass(frozen=True)
class Boxes:
    """Where the packages are in the photographs of a source."""

    kind: str
    """The kind of the shapes that are packages."""
    shapes: dict[str, list[Shape]]
    """By photograph."""


def read_annotations(listing: Listing, files: Sequence[str], asked: str, photographs: Sequence[str]) -> Annotations:
    """Return what the annotation files `files` of a source say of the defects in its photographs.

    `asked` is the value of `ingest.annotations`. Raises UserError, with the file and the place within it, for a file in
    no known format, for an unknown photograph and for an unknown class.
    """
    shapes = _shapes(listing, files, "ingest.annotations", asked, photographs)
    kinds = [kind for kind in _kinds(shapes) if not is_package(kind)]
    if len(kinds) > MAX_KINDS:
        raise UserError(f"ingest.annotations: {len(kinds)} kinds of defects, but a mask has values for {MAX_KINDS}")
    return Annotations(kinds, shapes)


def read_boxes(listing: Listing, files: Sequence[str], asked: str, photographs: Sequence[str]) -> Boxes:
    """Return where the files `files` of a source say that its packages are: shapes of `package`, or of the only kind.

    `asked` is the value of `ingest.boxes`. Raises UserError as `read_annotations` does, and for several kinds of which
    none is `package`.
    """
    shapes = _shapes(listing, files, "ingest.boxes", asked, photographs)
    kinds = _kinds(shapes)
    packages = [kind for kind in kinds if is_package(kind)] or kinds
    if len(packages) > 1:
        raise UserError(
            f"ingest.boxes: {asked}: it has the kinds {', '.join(kinds[:5])}; call that of the packages `package`"
        )
    return Boxes("".join(packages), shapes)


def _kinds(shapes: dict[str, list[Shape]]) -> list[str]:
    return sorted({kind for found in shapes.values() for shape in found for kind in shape.kinds if is_marked(kind)})


def _shapes(
    listing: Listing, files: Sequence[str], key: str, asked: str, photographs: Sequence[str]
) -> dict[str, list[Shape]]:
    """Return the shapes in the files by photograph. `key` is the parameter whose value is `asked`."""
    if not asked:
        return {}
    if not files:
        raise UserError(f"{key}: {asked}: no file of the source has this name, folder or pattern")
    pairing, names = Pairing(photographs), ClassNames(listing)
    shapes: dict[str, list[Shape]] = {}
    said = [file for file in files if file not in names.files and not file.endswith(CACHE)]
    contents = listing.contents(file for file in said if not _is_mask(file))
    for file in said:
        where = f"{file} ({key})"
        if _is_mask(file):
            read = masks.read(listing.file(file), where, asked, pairing, names)
        else:
            read = _read(next(contents), file, where, pairing, names)
        for photograph, found in read:
            shapes.setdefault(photograph, []).extend(found)
    pairing.check()
    warn_of_twins(_kinds(shapes), "kinds", f"{asked} ({key})")
    counts = Counter(shape.kind for found in shapes.values() for shape in found)
    LOG.info(
        "%s: %d of %d photographs: %s",
        *(key.removeprefix("ingest."), len(shapes), len(photographs)),
        ", ".join(f"{count} {kind or 'masks'}" for kind, count in sorted(counts.items())) or "nothing in them",
    )
    return shapes


def _is_mask(file: str) -> bool:
    return PurePosixPath(file).suffix.lower() in masks.SUFFIXES


def _read(
    content: bytes, file: str, where: str, pairing: Pairing, names: ClassNames
) -> Iterator[tuple[str, list[Shape]]]:
    """Yield the photographs that a file says something of, and their shapes. Errors begin with `where`."""
    if content.startswith((b"\xff\xd8", b"\x89PNG")):
        raise UserError(f"{where}: an image that cannot be a mask; expected {', '.join(masks.SUFFIXES)}")
    start = content.lstrip(BEFORE_TEXT)[:1]
    if start == b"<":
        return voc.read(content, file, where, pairing)
    if start in (b"{", b"["):
        return _read_json(content, file, where, pairing)
    return yolo.read(content, file, where, pairing, names)


def _read_json(content: bytes, file: str, where: str, pairing: Pairing) -> Iterator[tuple[str, list[Shape]]]:
    try:
        found = json.loads(decoded(content, where))
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not valid JSON: {error}") from error
    if isinstance(found, dict) and "annotations" in found:
        return coco.read(found, file, where, pairing)
    if isinstance(found, dict) and "shapes" in found:
        return labelme.read(found, file, where, pairing)
    raise UserError(f"{where}: JSON of an unknown form; expected that of COCO (annotations) or of labelme (shapes)")
