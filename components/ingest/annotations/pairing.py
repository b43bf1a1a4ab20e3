"""Which photograph an annotation belongs to."""

import posixpath
from collections import defaultdict
from collections.abc import Sequence
from pathlib import PurePosixPath

from ...core.errors import UserError
from ..spelling import spelled


class Pairing:
    """The photographs of a source, to be found by the names that annotations give them."""

    def __init__(self, photographs: Sequence[str]) -> None:
        self._by_name: defaultdict[str, list[str]] = defaultdict(list)
        self._by_stem: defaultdict[str, list[str]] = defaultdict(list)
        for path in photographs:
            self._by_name[spelled(PurePosixPath(path).name)].append(path)
            self._by_stem[spelled(PurePosixPath(path).stem)].append(path)

    def named(self, path: str, where: str) -> str:
        """Return the photograph with the name of `path`. See `_closest`."""
        path = path.replace("\\", "/")
        return _closest(self._by_name[spelled(PurePosixPath(path).name)], path, where)

    def beside(self, file: str, where: str, endings: Sequence[str] = ()) -> str:
        """Return the photograph with the name of an annotation file, except for suffixes. See `_closest`.

        The stem of the annotation's name may have one of the `endings` in addition.
        """
        stem = spelled(PurePosixPath(file).stem)
        stems = [stem, *(stem.removesuffix(ending) for ending in endings)]
        found = next((self._by_stem[name] for name in stems if self._by_stem[name]), [])
        return _closest(found, file, where)


def _closest(candidates: list[str], path: str, where: str) -> str:
    """Return the candidate whose folders have most in common with those of `path`, counted from the name upwards.

    Raises UserError, which begins with `where`, if there is no candidate, or no single best one.
    """
    if not candidates:
        raise UserError(f"{where}: no photograph of the source is called {PurePosixPath(path).name}")
    folders = spelled(posixpath.normpath(path)).split("/")[-2::-1]
    common = [_agreeing(folders, spelled(candidate).split("/")[-2::-1]) for candidate in candidates]
    best = [one for one, count in zip(candidates, common, strict=True) if count == max(common)]
    if len(best) > 1:
        raise UserError(f"{where}: {path} may be {best[0]} or {best[1]}; use names that differ, or the same folders")
    return best[0]


def _agreeing(first: list[str], second: list[str]) -> int:
    """Return how many items two lists have in common from their beginning."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((at for at, (one, other) in pairs if one != other), min(len(first), len(second)))
