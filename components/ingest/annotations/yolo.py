"""Annotations of YOLO: a text per photograph, with a line per box or polygon."""

from collections.abc import Iterator

from ...core.errors import UserError
from ..spelling import decoded
from .classes import ClassNames
from .pairing import Pairing
from .shapes import Outlines, Shape, box

ROUNDED = 0.01
"""How far shares may lie beyond 0 and 1. Whether a shape leaves its photograph is checked in pixels."""


def read(
    content: bytes, file: str, where: str, pairing: Pairing, names: ClassNames
) -> Iterator[tuple[str, list[Shape]]]:
    """Yield the photograph of the file, and its shapes. Raises UserError, with the line, for anything else."""
    try:
        lines = decoded(content, where).splitlines()
    except UserError as error:
        raise UserError(f"{where}: in no known format of annotations, and no text") from error
    places = ((f"{where}: line {number}", line) for number, line in enumerate(lines, start=1))
    shapes: list[Shape] = [_shape(line, place, names) for place, line in places if line.strip()]
    yield pairing.only(pairing.beside(file, where), "YOLO", file, where), shapes


def _shape(line: str, where: str, names: ClassNames) -> Shape:
    try:
        number, shares = int(line.split()[0]), [float(cell) for cell in line.split()[1:]]
    except ValueError as error:
        raise UserError(f"{where}: expected the number of a class and shares, as YOLO writes them: {error}") from error
    kind = names.name(number, where)
    if len(shares) == 4 + names.keypoints(where):
        shares = shares[:4]
    if not all(-ROUNDED <= share <= 1 + ROUNDED for share in shares):
        raise UserError(f"{where}: expected shares of the width and height, 0 to 1")
    if len(shares) == 4:
        x, y, width, height = shares
        if min(width, height) <= 0:
            raise UserError(f"{where}: a box without width or height")
        ring = box(x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    elif len(shares) >= 6 and len(shares) % 2 == 0:
        ring = tuple(zip(shares[::2], shares[1::2], strict=True))
    else:
        raise UserError(f"{where}: {len(shares)} shares; expected four of a box, or x and y of three or more corners")
    return Outlines(kind, where, (ring,), relative=True)
