"""Photographs with packages that people annotated, in a folder that is not part of the project."""

import csv
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fabgan.components.core.images import Pixels, read_image

BORDER_PX = 1.5
"""An annotated polygon within this distance of the frame's border belongs to a package that the frame cuts off."""
MAX_FIELD_CHARACTERS = 10_000_000
CHIPS_ON_BOARDS = Path(__file__).parent / "chips_on_boards.json"

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Annotated:
    """A photograph, or a window of one, with the polygons that were drawn by hand."""

    path: Path
    outlines: tuple[Polygon, ...]
    scratches: tuple[Polygon, ...]
    window_px: tuple[int, int, int, int] | None = None
    """Left, top, right and bottom."""

    def pixels(self) -> Pixels:
        """Return the photograph, or the window of it."""
        image = read_image(self.path)
        if self.window_px is None:
            return image
        left, top, right, bottom = self.window_px
        return np.ascontiguousarray(image[top:bottom, left:right])


def wholly_inside(polygon: Polygon, shape: tuple[int, ...]) -> bool:
    """Return whether a polygon keeps clear of the border of a frame of shape (height, width)."""
    points = np.array(polygon)
    return bool(points.min() > BORDER_PX and (points < np.array(shape[1::-1]) - BORDER_PX).all())


def dual_in_line(folder: Path) -> list[Annotated]:
    """Return the annotated photographs of `dip_package`, sorted by name.

    The folder holds `images/` and `annotations.csv` (columns file, class, polygon_of, polygon_px).
    """
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    found: dict[str, dict[str, list[Polygon]]] = {}
    with (folder / "annotations.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            polygons = found.setdefault(row["file"], {"outline": [], "scratch": []})
            polygons[row["polygon_of"]].append(_polygon(row["polygon_px"]))
    return [
        Annotated(folder / "images" / name, tuple(polygons["outline"]), tuple(polygons["scratch"]))
        for name, polygons in sorted(found.items())
    ]


def _polygon(text: str) -> Polygon:
    points = (point.split(",") for point in text.split())
    return tuple((float(x), float(y)) for x, y in points)


def chips_on_boards(folder: Path) -> Iterator[Annotated]:
    """Yield the photographs of `cob_wafer_space` that are in the folder, with what CHIPS_ON_BOARDS says of them."""
    for entry in json.loads(CHIPS_ON_BOARDS.read_text(encoding="utf-8"))["photographs"]:
        path, window = folder / entry["file"], entry.get("window_px")
        left, top = window[:2] if window else (0, 0)
        corners = tuple((x - left, y - top) for x, y in entry.get("corners_px", ()))
        if path.exists():
            yield Annotated(path, (corners,) if corners else (), (), tuple(window) if window else None)
