"""When a step refuses its own result: too many images are quarantined, or too few are left in a split."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from ..core.errors import UserError
from .manifest import Frame, Package, Quarantined

MIN_SPLIT_IMAGES = 2


def check_quarantine(step: str, used: int, quarantined: list[Quarantined], max_share: float, sheet: Path) -> None:
    """Raise a UserError if more than `max_share` of the images were quarantined, or no image is left.

    `sheet` is the contact sheet that shows them.
    """
    total = used + len(quarantined)
    if used and len(quarantined) <= max_share * total:
        return
    shown = "; ".join(f"{item.source}: {item.reason}" for item in quarantined[:3])
    more = f"; and {len(quarantined) - 3} more" if len(quarantined) > 3 else ""
    raise UserError(
        f"{step}: {len(quarantined)} of {total} images cannot be used, "
        f"more than {step}.max_quarantined_share = {max_share} allows: {shown}{more}; look at {sheet}"
    )


def check_splits(step: str, images: Sequence[Frame | Package]) -> None:
    """Raise a UserError if fewer than two images are left to train with, or to evaluate with."""
    count = Counter(image.split for image in images)
    if min(count["train"], count["held_out"]) >= MIN_SPLIT_IMAGES:
        return
    lots = len({image.lot for image in images})
    raise UserError(
        f"{step}: {count['train']} images to train with and {count['held_out']} held out, of {lots} lot(s); both need "
        f"at least {MIN_SPLIT_IMAGES}. Whole lots are held out, but never the last lot of a product; see "
        "ingest.lot_pattern and ingest.held_out_share"
    )
