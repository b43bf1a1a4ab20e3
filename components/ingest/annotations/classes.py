"""The names of numbered classes, from a file that lies somewhere in the source."""

import math
from pathlib import PurePosixPath
from typing import Any

import yaml

from ...core.errors import UserError
from ...core.parameters import UniqueKeys
from ..sources.listing import Listing
from ..spelling import decoded, kind_of
from ..systems import is_hidden, is_of_system

CLASS_FILES = ("classes.txt", "obj.names", "data.yaml", "dataset.yaml")
"""As YOLO's tools write them: a name per line, or a list or mapping `names` in YAML."""


class ClassNames:
    """The names of classes by their numbers, from 0, or from 1 if a mapping begins with it."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        named = (file.path for file in listing.files if PurePosixPath(file.path).name in CLASS_FILES)
        self.files = [path for path in named if not is_of_system(path) and not is_hidden(path)]
        self._names: list[str] | None = None
        self._first = self._keypoints = 0

    def name(self, number: int, where: str) -> str:
        """Return the name of a class. Raises UserError, which begins with `where`, if no file names it."""
        names = self.all(where)
        if not 0 <= number - self._first < len(names):
            said = f"{len(names)}, from {self._first}"
            raise UserError(f"{where}: class {number} is not in {self.files[0]}, which names {said}")
        return names[number - self._first]

    def all(self, where: str) -> list[str]:
        """Return all names, in the order of their numbers. Raises UserError as `name` does."""
        if self._names is None:
            self._names = self._read(where)
        return self._names

    def keypoints(self, where: str) -> int:
        """Return how many numbers of key points follow each box of YOLO. Raises UserError as `name` does."""
        self.all(where)
        return self._keypoints

    def _read(self, where: str) -> list[str]:
        found = [self._read_file(file) for file in self.files]
        if not found or any(names != found[0] for names in found):
            raise UserError(
                f"{where}: the names of the classes must be in one file of the source called "
                f"{', '.join(CLASS_FILES[:-1])} or {CLASS_FILES[-1]}, or the same in all; "
                f"{', '.join(self.files) or 'there is none'}"
            )
        self._first, numbered = found[0]
        return numbered

    def _read_file(self, file: str) -> tuple[int, list[str]]:
        """Return what `_numbered` does of a file."""
        text = decoded(self._listing.read(file), file)
        try:
            content = _yaml(text) if file.endswith(".yaml") else {"names": text.splitlines()}
            names, shape = content["names"], content.get("kpt_shape")
        except (ValueError, yaml.YAMLError, KeyError, TypeError, RecursionError) as error:
            raise UserError(f"{file}: not a file of class names: {' '.join(str(error).split())}") from error
        if isinstance(shape, list) and all(str(number).isdecimal() for number in shape):
            self._keypoints = math.prod(map(int, shape))
        return _numbered(names, file)


class _Loader(UniqueKeys, yaml.BaseLoader):
    """Makes nothing but texts, lists and mappings."""


def _yaml(text: str) -> Any:
    """Return what YAML holds, with every scalar as its text: a class may be called no, 1.10 or null."""
    return yaml.load(text, _Loader)  # noqa: S506 (as a BaseLoader)


def _numbered(names: Any, file: str) -> tuple[int, list[str]]:
    """Return the first number, and names in the order of their numbers. Empty lines at the end do not count."""
    first = 0
    if isinstance(names, dict):
        by_number = {int(number): name for number, name in names.items() if str(number).isdecimal()}
        first, last = min(by_number, default=0), max(by_number, default=0)
        whole = first <= 1 and len(by_number) == len(names) == last - first + 1
        names = [by_number[number] for number in sorted(by_number)] if whole else None
    if not isinstance(names, list):
        raise UserError(
            f"{file}: expected the names of classes, one a line or as `names` in YAML: a list, or a mapping "
            "of all numbers from 0 or 1"
        )
    found = [kind_of(str(name)) for name in names]
    while found and not found[-1]:
        found.pop()
    if not found or not all(found) or len(set(found)) < len(found):
        raise UserError(f"{file}: names of classes are missing, empty or repeated")
    return first, found
