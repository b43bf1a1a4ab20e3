"""The file of labels: a CSV file as people and spreadsheets write it, with the columns `file` and `label`."""

import csv
import io
import re
from typing import Any

from ..core.errors import UserError
from .spelling import decoded, kind_of, spelled, spelled_path, warn_of_twins

DIVIDED_BY = re.compile(r"\ufeff*sep=(.)[^\r\n]*(?:\r\n|\r|\n)", re.IGNORECASE)
"""The line that tells Excel what divides the cells."""
DELIMITERS = (",", ";", "\t")
COLUMNS = ("file", "label")


def read_labels(content: bytes, name: str) -> dict[str, str]:
    """Return the label of each file of a CSV file, by its `spelled_path`. An empty label is none.

    It is in UTF-8 or UTF-16, with or without a byte order mark. Commas, semicolons or tabs divide it, or what a first
    line like `sep=;` names. Blank rows do not count. Raises UserError, with the line, for a row of another
    length, and for a file that has two labels.
    """
    where = f"{name} (ingest.labels_file)"
    text = decoded(content, where)
    named = DIVIDED_BY.match(text)
    if named:
        text = "\n" + text[named.end() :]  # so that the numbers of lines stay
    rows = csv.reader(io.StringIO(text, newline=""), delimiter=named[1] if named else _delimiter(text), strict=True)
    try:
        labels = _labels(rows, where)
    except csv.Error as error:
        raise UserError(f"{where}: line {rows.line_num}: not CSV: {error}") from error
    warn_of_twins(labels.values(), "labels", where)
    return labels


def _delimiter(text: str) -> str:
    """Return the character that divides the header."""
    header = text.lstrip().partition("\n")[0]
    return max(DELIMITERS, key=header.count)


def _labels(rows: Any, where: str) -> dict[str, str]:
    header = next((cells for cells in map(_cells, rows) if any(cells)), [])
    columns = [cell.casefold() for cell in header]
    if any(columns.count(column) != 1 for column in COLUMNS):
        raise UserError(f"{where}: expected the columns file and label, got {', '.join(header) or 'none'}")
    file_at, label_at = (columns.index(column) for column in COLUMNS)
    found: dict[str, str] = {}
    lines: dict[str, int] = {}
    for row in rows:
        cells = _cells(row)
        if not any(cells):
            continue
        line = rows.line_num
        if len(cells) != len(header):
            raise UserError(f"{where}: line {line}: expected {len(header)} cells as in the header, got {len(cells)}")
        if not cells[file_at]:
            raise UserError(f"{where}: line {line}: the name of the file is empty")
        file, label = spelled_path(cells[file_at]), kind_of(cells[label_at])
        if found.setdefault(file, label) != label:
            raise UserError(
                f"{where}: {file} has the label {found[file]!r} in line {lines[file]}, and {label!r} in line {line}"
            )
        lines.setdefault(file, line)
    return {file: label for file, label in found.items() if label}


def _cells(row: list[str]) -> list[str]:
    return [spelled(cell) for cell in row]
