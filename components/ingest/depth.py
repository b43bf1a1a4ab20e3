"""Which value means white in photographs of more than 8 bits.

Cameras write 10, 12 or 14 bits into files of 16 bits, and most of them do not say so.
"""

from collections import defaultdict
from collections.abc import Sequence

from ..artifacts.manifest import Quarantined
from ..core.log import logger
from ..core.resumable import Record

BITS = (8, 10, 12, 14, 16)
FRACTIONS = "fractions"
LEAST_WHOLE = 2
"""Fractions may exceed 1 a little, as filters overshoot. From this value on, values are whole numbers."""
DARK_SHARE = 0.25
"""A photograph whose largest value is below this share of white leaves two bits unused."""
LOG = logger("ingest")


def with_white_levels(records: Sequence[Record], bits: int) -> tuple[list[Record], list[Quarantined]]:
    """Return records with their `white_level`, and what has values above white.

    A file may know its white level. With `bits`, it is that of all others. Otherwise the largest value of all files of
    a kind decides: white is the largest value of as few bits as hold it, or 1 for fractions, or the largest of these if
    they exceed 1 a little.
    """
    unknown = defaultdict(list)
    for record in records:
        if record["white_level"] is None:
            unknown[_kind(record)].append(record)
    levels = {kind: _level_of_all(kind, found, bits) for kind, found in unknown.items()}
    usable, too_bright = [], []
    for record in records:
        white_level = levels[_kind(record)] if record["white_level"] is None else record["white_level"]
        value = record["highest"]
        if value is not None and value > white_level:
            reason = f"its largest value is {value:.6g}, above white, which is {white_level:.6g}; see ingest.bits"
            too_bright.append(Quarantined(record["source"], reason))
        else:
            usable.append(record | {"white_level": white_level})
    return usable, too_bright


def _kind(record: Record) -> str:
    """Return whether a photograph is grey, colour or fractions, by Pillow's mode."""
    mode: str = record["mode"]
    return FRACTIONS if mode == "F" else "grey" if mode.startswith(("L", "I")) else "colour"


def _level_of_all(kind: str, records: Sequence[Record], bits: int) -> float:
    """Return the white level of photographs that do not know it, and say what decided."""
    brightest = max(records, key=lambda record: float(record["highest"]))
    level = _white_level(kind, brightest["highest"], bits)
    if level < LEAST_WHOLE:
        return level
    decided = "ingest.bits" if bits else f"the largest value, {brightest['highest']:.6g}, of {brightest['source']}"
    LOG.info("%d photograph(s) of more than 8 bits: white is %.6g, by %s", len(records), level, decided)
    dark = sum(record["highest"] < DARK_SHARE * level for record in records)
    if dark and not bits:
        LOG.warning("%d of them stay below a quarter of it; if they have fewer bits, set ingest.bits", dark)
    return level


def _white_level(kind: str, highest: float, bits: int) -> float:
    if kind == FRACTIONS and highest < LEAST_WHOLE:
        return max(1.0, highest)
    return float(2 ** (bits or next(one for one in BITS if highest < 2**one)) - 1)
