"""Which photograph an annotation belongs to."""

import posixpath
from collections import defaultdict
from collections.abc import Sequence
from itertools import takewhile
from pathlib import PurePosixPath

from ...core.errors import UserError
from ..spelling import spelled

GOOD = "good"
"""The folder of photographs without defects, in the layout of MVTec."""


class Pairing:
    """The photographs of a source, to be found by the names that annotations give them."""

    def __init__(self, photographs: Sequence[str]) -> None:
        self._by_name: defaultdict[str, list[str]] = defaultdict(list)
        self._by_stem: defaultdict[str, list[str]] = defaultdict(list)
        for path in photographs:
            self._by_name[spelled(PurePosixPath(path).name)].append(path)
            self._by_stem[spelled(PurePosixPath(path).stem)].append(path)
        self._folders = {folder for path in photographs for folder in _folders(path)}
        self._paths = {str(folder) for path in photographs for folder in PurePosixPath(path).parents}
        self._files: dict[tuple[str, str], str] = {}
        self._agreed: set[tuple[str, ...]] = set()
        self._apart: list[tuple[str, str, str]] = []

    def named(self, path: str, where: str) -> str:
        """Return the photograph with the name of `path`. See `_found`."""
        path = path.replace("\\", "/")
        return self._found(self._by_name[spelled(PurePosixPath(path).name)], path, where)

    def beside(self, file: str, where: str, endings: Sequence[str] = ()) -> str:
        """Return the photograph with the name of an annotation file, except for suffixes. See `_found`.

        The stem of the annotation's name may have one of the `endings` in addition.
        """
        stem = spelled(PurePosixPath(file).stem)
        stems = [stem, *(stem.removesuffix(ending) for ending in endings)]
        found = next((self._by_stem[name] for name in stems if self._by_stem[name]), [])
        return self._found(found, file, where)

    def only(self, photograph: str, form: str, file: str, where: str) -> str:
        """Return the photograph of a file. Raises UserError if another file of the same form is for it, too."""
        other = self._files.setdefault((photograph, form), file)
        if other != file:
            raise UserError(
                f"{where}: it is for {photograph}, and so is {other}; one of them may be for a photograph that is "
                "missing. Keep one"
            )
        return photograph

    def kind_folder(self, photograph: str, common: int) -> str:
        """Return the folder that says which kind of defect a photograph shows, or an empty text if there is none.

        It lies beside the folder `good`, or within `test`, as in the layout of MVTec. It is one of the `common`
        innermost folders, and `test` is not.
        """
        for at, folder in enumerate(list(PurePosixPath(photograph).parents)[:common], start=1):
            beside_good = str(folder.parent / GOOD) in self._paths
            if beside_good or (at == common and folder.parent.name == "test"):
                return folder.name
        return ""

    def check(self) -> None:
        """Raise UserError if a folder of annotations is of no photograph, though folders beside it are of some.

        Call it after all annotations were paired.
        """
        for path, photograph, where in self._apart:
            if _folders(path)[1:] in self._agreed:
                raise _missing(path, _folders(path)[0], photograph, where)

    def _found(self, candidates: list[str], path: str, where: str) -> str:
        """Return the candidate whose folders have most in common with those of `path`, counted from the name upwards.

        Raises UserError, which begins with `where`, if there is no candidate, or no single best one, or if `path` names
        a folder in which other photographs lie, but not this one.
        """
        if not candidates:
            raise UserError(f"{where}: no photograph of the source is called {PurePosixPath(path).name}")
        folders = _folders(path)
        common = [common_folders(path, candidate) for candidate in candidates]
        best = [one for one, count in zip(candidates, common, strict=True) if count == max(common)]
        if len(best) > 1:
            raise UserError(
                f"{where}: {path} may be {best[0]} or {best[1]}; use names that differ, or the same folders"
            )
        others = [folder for folder in folders if folder in self._folders and folder not in _folders(best[0])]
        if others:
            raise _missing(path, others[0], best[0], where)
        if max(common):
            self._agreed.add(folders[1:])
        elif folders and _folders(best[0]):
            self._apart.append((path, best[0], where))
        return best[0]


def _folders(path: str) -> tuple[str, ...]:
    """Return the folders of a path, the innermost one first."""
    return tuple(spelled(posixpath.normpath(path)).split("/")[-2::-1])


def _missing(path: str, folder: str, photograph: str, where: str) -> UserError:
    return UserError(
        f"{where}: {path} is for a photograph of the folder {folder}, but the closest of this name is {photograph}. "
        "Add the photograph that is missing, remove the annotation, or give both the same folder"
    )


def common_folders(first: str, second: str) -> int:
    """Return how many folders two paths have in common, counted from the name upwards."""
    pairs = zip(_folders(first), _folders(second), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
