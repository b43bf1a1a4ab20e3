"""The file of labels: a CSV file as people and spreadsheets write it, with the columns `file` and `label`."""

import codecs
import csv
import io
from typing import Any

from ..core.errors import UserError

DELIMITERS = (",", ";", "\t")
COLUMNS = ("file", "label")


def read_labels(content: bytes, name: str) -> dict[str, str]:
    """Return the label of each file of a CSV file. An empty label is none.

    It is in UTF-8 or UTF-16, with or without a byte order mark. Commas, semicolons or tabs divide it. Blanks around
    cells do not count, and backslashes in paths are slashes. Raises UserError, with the line, for a row of another
    length, and for a file that has two labels.
    """
    where = f"{name} (ingest.labels_file)"
    text = _decoded(content, where)
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), strict=True)
    try:
        return _labels(rows, where)
    except csv.Error as error:
        raise UserError(f"{where}: line {rows.line_num}: not CSV: {error}") from error


def _decoded(content: bytes, where: str) -> str:
    wide = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = content.decode("utf-16" if wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: neither UTF-8 nor UTF-16: {error}; save it as CSV in UTF-8") from error
    if "\0" in text:
        raise UserError(f"{where}: it has zero bytes: it is no text, or UTF-16 without a mark; save it in UTF-8")
    return text


def _delimiter(text: str) -> str:
    """Return the character that divides the header."""
    header = text.partition("\n")[0]
    return max(DELIMITERS, key=header.count)


def _labels(rows: Any, where: str) -> dict[str, str]:
    header = [cell.strip() for cell in next(rows, [])]
    if any(header.count(column) != 1 for column in COLUMNS):
        raise UserError(f"{where}: expected the columns file and label, got {', '.join(header) or 'none'}")
    file_at, label_at = (header.index(column) for column in COLUMNS)
    found: dict[str, str] = {}
    lines: dict[str, int] = {}
    for row in rows:
        cells = [cell.strip() for cell in row]
        if not any(cells):
            continue
        line = rows.line_num
        if len(cells) != len(header):
            raise UserError(f"{where}: line {line}: expected {len(header)} cells as in the header, got {len(cells)}")
        file, label = cells[file_at].replace("\\", "/").removeprefix("./"), cells[label_at]
        if not file:
            raise UserError(f"{where}: line {line}: the name of the file is empty")
        if found.setdefault(file, label) != label:
            raise UserError(
                f"{where}: {file} has the label {found[file]!r} in line {lines[file]}, and {label!r} in line {line}"
            )
        lines.setdefault(file, line)
    return {file: label for file, label in found.items() if label}
