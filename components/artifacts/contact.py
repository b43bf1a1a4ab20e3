"""Contact sheets: what a step made of every photograph, to be looked at."""

import base64
import io
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from PIL import Image

from ..core.files import unfinished
from ..core.images import Pixels, thinned
from .pages.render import render

SHEET = "contact_sheet.html"
"""In the folder that the step fills."""
THUMBNAIL_PX = 192
JPEG_QUALITY = 75
MAX_ACCEPTED = 240
MAX_QUARANTINED = 120
"""Pictures of a sheet, evenly spread over all. So it stays below 5 MB."""
OUTLINE, DEFECT = (0, 200, 80), (255, 40, 40)

Corners = Sequence[tuple[float, float]]
Item = TypeVar("Item")


@dataclass(frozen=True)
class Shown:
    """A photograph on a contact sheet."""

    source: str
    said: str
    """What there is to say of it: lot, angle and kinds of defects, or the reason for its quarantine."""
    thumbnail: str
    """As `thumbnail` returns it; empty if it cannot be shown."""


def thumbnail(image: Pixels, outline_px: Corners = (), mask: Pixels | None = None) -> str:
    """Return a small JPEG of a photograph, base64, with an outline and with the borders of defects drawn."""
    height_px, width_px = image.shape[:2]
    scale = min(THUMBNAIL_PX / max(height_px, width_px), 1.0)
    size = (max(round(width_px * scale), 1), max(round(height_px * scale), 1))
    small = np.asarray(cv2.resize(thinned(image, THUMBNAIL_PX), size, interpolation=cv2.INTER_AREA), dtype=np.uint8)
    drawn = small if small.ndim == 3 else cv2.cvtColor(small, cv2.COLOR_GRAY2RGB).astype(np.uint8)
    if mask is not None:
        defects = cv2.resize((mask > 0).astype(np.float32), size, interpolation=cv2.INTER_AREA) > 0
        around = cv2.dilate(defects.astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        drawn[around & ~defects] = DEFECT
    if len(outline_px):
        corners = np.rint(((np.array(outline_px) + 0.5) * scale - 0.5) * 16).astype(np.int32)
        cv2.polylines(drawn, [corners], True, OUTLINE, 1, cv2.LINE_AA, 4)
    stored = io.BytesIO()
    Image.fromarray(drawn).save(stored, format="jpeg", quality=JPEG_QUALITY)
    return base64.b64encode(stored.getvalue()).decode()


def write_contact_sheet(
    folder: Path,
    step: str,
    accepted: Sequence[Shown],
    quarantined: Sequence[Shown],
    groups: Sequence[Sequence[str]] = (),
) -> None:
    """Write the contact sheet of a step into its folder. `groups` are the sources of near-duplicates."""
    sections = [
        ("Quarantined", len(quarantined), spread(quarantined, MAX_QUARANTINED)),
        ("Accepted", len(accepted), spread(accepted, MAX_ACCEPTED)),
    ]
    write_sections(folder, step, sections, groups)


def write_sections(
    folder: Path,
    step: str,
    sections: Sequence[tuple[str, int, Sequence[Shown]]],
    groups: Sequence[Sequence[str]] = (),
) -> None:
    """Write a contact sheet of sections: their names, how many there are, and those that are shown."""
    render(folder / SHEET, "contact.html.j2", step=step, sections=sections, groups=groups)


@contextmanager
def sheet_written(folder: Path | None, show: Callable[[Path], None]) -> Iterator[None]:
    """Call `show` after the block with the contact sheet that it wrote into `folder`, also if it was refused."""
    before = {place / SHEET: _written(place / SHEET) for place in ((folder, unfinished(folder)) if folder else ())}
    try:
        yield
    finally:
        for sheet, earlier in before.items():
            if _written(sheet) not in (None, earlier):
                show(sheet)


def _written(sheet: Path) -> tuple[int, int] | None:
    """Return what changes when a sheet is written, by the clock of its file system; None if there is none."""
    return (sheet.stat().st_ino, sheet.stat().st_mtime_ns) if sheet.is_file() else None


def spread(items: Sequence[Item], count: int) -> list[Item]:
    """Return at most so many, evenly spread."""
    places = np.unique(np.linspace(0, len(items) - 1, min(count, len(items))).round().astype(int))
    return [items[place] for place in places]
