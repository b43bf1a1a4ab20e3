"""The page of a defect model: what its images are worth, and what they look like."""

from pathlib import Path

from ..artifacts.pages.pictures import picture
from ..artifacts.pages.render import render
from ..core.images import Pixels
from .card import METHODS, DefectCard


def write_page(path: Path, card: DefectCard, sheet: Pixels) -> None:
    """Write a page about a model. `sheet` is its sheet of defects."""
    shown = picture(sheet, "Annotated defects beside defects that were made, a row for each kind")
    rows = [kind.kind for kind in card.judged if kind.annotated]
    render(path, "defects.html.j2", card=card, methods=METHODS, rows=rows, sheet=shown)
