"""Which value means white in photographs of more than 8 bits.

Cameras write 10, 12 or 14 bits into files of 16 bits, and most of them do not say so.
"""

from collections import defaultdict
from collections.abc import Sequence

from ..artifacts.manifest import Quarantined
from ..core.resumable import Record

BITS = (8, 10, 12, 14, 16)
FLOAT = "F"
"""Pillow's mode of images of floating-point numbers."""


def with_white_levels(records: Sequence[Record], bits: int) -> tuple[list[Record], list[Quarantined]]:
    """Return records with `white_level` in place of `highest`, and what has values above white.

    A file may know its white level. With `bits`, it is that of all others. Otherwise the largest value of all files of
    a mode decides: white is the largest value of as few bits as hold it, or 1 for fractions.
    """
    highest: defaultdict[str, float] = defaultdict(float)
    for record in records:
        if record["white_level"] is None:
            highest[record["mode"]] = max(highest[record["mode"]], record["highest"])
    levels = {mode: _white_level(mode, value, bits) for mode, value in highest.items()}
    usable, too_bright = [], []
    for record in records:
        white_level = levels[record["mode"]] if record["white_level"] is None else record["white_level"]
        value = record["highest"]
        if value is not None and value > white_level:
            reason = f"its largest value is {value:.6g}, above white, which is {white_level:.6g}; see ingest.bits"
            too_bright.append(Quarantined(record["source"], reason))
        else:
            rest = {name: one for name, one in record.items() if name != "highest"}
            usable.append(rest | {"white_level": white_level})
    return usable, too_bright


def _white_level(mode: str, highest: float, bits: int) -> float:
    if mode == FLOAT and highest <= 1:
        return 1.0
    return float(2 ** (bits or next(one for one in BITS if highest < 2**one)) - 1)
