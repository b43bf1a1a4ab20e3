"""Texts as people and spreadsheets save them."""

import codecs

from ..core.errors import UserError

UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def decoded(content: bytes, where: str) -> str:
    """Return a text in UTF-8, with or without a byte order mark, or in UTF-16 with one.

    Raises UserError, which begins with `where`, for anything else.
    """
    try:
        text = content.decode("utf-16" if content.startswith(UTF_16) else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{where}: neither UTF-8 nor UTF-16: {error}; save it in UTF-8") from error
    if "\0" in text:
        raise UserError(f"{where}: it has zero bytes: it is no text, or UTF-16 without a mark; save it in UTF-8")
    return text
