"""Names and labels as they look: what nobody sees tells nothing apart."""

import unicodedata

UNSEEN = "Cf"
"""Unicode's category of characters that are not shown, such as byte order marks and zero-width spaces."""


def spelled(text: str) -> str:
    """Return a text without characters that are not shown, without blanks around it, and composed (NFC).

    Some systems write an umlaut as one character, and others as a letter with a mark.
    """
    shown = "".join(character for character in text if unicodedata.category(character) != UNSEEN)
    return unicodedata.normalize("NFC", shown).strip()
