"""Texts as people and spreadsheets save them, and names as they look: what nobody sees tells nothing apart."""

import codecs
import posixpath
import unicodedata
from collections import defaultdict
from collections.abc import Iterable

from ..core.errors import UserError
from ..core.log import logger

LOG = logger("ingest")
UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
MOST_SHOWN = 5
"""Names that are shown of many."""
UNSEEN, BLANK = "Cf", "Zs"
"""Unicode's categories of characters that are not shown, such as byte order marks and zero-width spaces, and of blanks,
some of which do not break a line."""


def encoding_of(content: bytes) -> str:
    """Return the encoding of a text: UTF-8, with or without a byte order mark, or UTF-16 with one."""
    return "utf-16" if content.startswith(UTF_16) else "utf-8-sig"


def decoded(content: bytes, where: str) -> str:
    """Return a text in the encoding that it begins with. Raises UserError, which begins with `where`, for others."""
    try:
        text = content.decode(encoding_of(content))
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: neither UTF-8 nor UTF-16: {error}; save it in UTF-8") from error
    if "\0" in text:
        raise UserError(f"{where}: it has zero bytes: it is no text, or UTF-16 without a mark; save it in UTF-8")
    return text


def spelled(text: str) -> str:
    """Return a text without characters that are not shown, without blanks around it, and composed (NFC).

    Some systems write an umlaut as one character, and others as a letter with a mark.
    """
    return _shown(text).strip()


def kind_of(text: str) -> str:
    """Return a kind or a label as `spelled`, with one space for blanks and line breaks, which come in many forms."""
    return " ".join(spelled(text).split())


def spelled_path(text: str) -> str:
    """Return a path as `spelled`, with slashes for backslashes, and without `./` and what else leads nowhere."""
    return posixpath.normpath(spelled(text).replace("\\", "/"))


def with_plain_blanks(text: str) -> str:
    """Return a text without characters that are not shown, composed (NFC), and with blanks of one kind."""
    return "".join(" " if unicodedata.category(character) == BLANK else character for character in _shown(text))


def _shown(text: str) -> str:
    if text.isascii():
        return text
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
