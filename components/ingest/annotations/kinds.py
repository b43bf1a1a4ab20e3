"""Kinds of defects: their names as they look, and the names that mean no defect."""

from typing import Annotated

from pydantic import AfterValidator

from ..spelling import kind_of

PACKAGE = "package"
"""The kind, in any case, that is the package itself and no defect."""
BACKGROUND = ("_background_", "__background__", "background")
"""What tools call, in any case, that which has the value 0: the class of a mask, or a hole in a larger shape."""
IGNORED = "__ignore__"
"""What labelme calls, in any case, that of which nothing is said."""


def _seen(text: str) -> str:
    if not (kind := kind_of(text)):
        raise ValueError("expected a name")
    return kind


Kind = Annotated[str, AfterValidator(_seen)]
"""A kind in a file that is parsed, by `kind_of`. It is refused if nothing of it is seen."""


def is_package(kind: str) -> bool:
    """Return whether the shapes of a kind are packages."""
    return kind.casefold() == PACKAGE


def is_background(kind: str) -> bool:
    """Return whether the shapes of a kind are no defects, but holes in others."""
    return kind.casefold() in BACKGROUND


def is_ignored(kind: str) -> bool:
    """Return whether the shapes of a kind say nothing."""
    return kind.casefold() == IGNORED


def is_marked(kind: str) -> bool:
    """Return whether the shapes of a kind are defects or packages."""
    return not is_background(kind) and not is_ignored(kind)
