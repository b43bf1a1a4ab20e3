"""Names and labels as they look: what nobody sees tells nothing apart."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from ..core.log import logger

LOG = logger("ingest")
MOST_SHOWN = 5
"""Names that are shown of many."""
UNSEEN, BLANK = "Cf", "Zs"
"""Unicode's categories of characters that are not shown, such as byte order marks and zero-width spaces, and of blanks,
some of which do not break a line."""


def spelled(text: str) -> str:
    """Return a text without characters that are not shown, without blanks around it, and composed (NFC).

    Some systems write an umlaut as one character, and others as a letter with a mark.
    """
    return _shown(text).strip()


def with_plain_blanks(text: str) -> str:
    """Return a text without characters that are not shown, composed (NFC), and with blanks of one kind."""
    return "".join(" " if unicodedata.category(character) == BLANK else character for character in _shown(text))


def _shown(text: str) -> str:
    shown = "".join(character for character in text if unicodedata.category(character) != UNSEEN)
    return unicodedata.normalize("NFC", shown)


def warn_of_twins(names: Iterable[str], what: str, where: str) -> None:
    """Warn of names that differ in capitals or blanks alone. `what` they name is in the plural."""
    alike: defaultdict[str, set[str]] = defaultdict(set)
    for name in names:
        alike["".join(name.casefold().split())].add(name)
    twins = [" and ".join(sorted(found)) for found in alike.values() if len(found) > 1]
    if twins:
        shown = "; ".join(twins[:MOST_SHOWN])
        LOG.warning("%s: %s are different %s; correct them if they mean the same", where, shown, what)
