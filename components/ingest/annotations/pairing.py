"""Which photograph an annotation belongs to."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import takewhile
from pathlib import PurePosixPath
from urllib.parse import unquote

from ...core.errors import UserError
from ...core.log import logger
from ..spelling import spelled, spelled_path

LOG = logger("ingest")
GOOD = "good", "ok", "normal"
"""Folders of photographs without defects, beside those with defects: in the layout of MVTec, the first one."""
Parts = tuple[str, ...]
"""The name of a file, and its folders, the innermost one first."""
Index = dict[Parts, list[str]]
"""Paths by the beginnings of their parts."""


class Pairing:
    """The photographs of a source, to be found by the names that annotations give them."""

    def __init__(self, photographs: Sequence[str]) -> None:
        photographs = sorted(photographs, key=_outermost_first)
        self._by_name = _index(photographs, _parts)
        self._by_stem = _index(photographs, lambda path: (_stem(_parts(path)[0]), *_folders(path)))
        self._places = {folder for path in photographs for folder in PurePosixPath(path).parents}
        self._beside_good = {folder.parent for folder in self._places if folder.name.lower() in GOOD}
        self._files: dict[tuple[str, str], str] = {}
        self._agreed: set[tuple[str, ...]] = set()
        self._apart: list[tuple[str, str, str]] = []
        self._lots: set[str] = set()

    def named(self, path: str, file: str, where: str) -> str:
        """Return the photograph with the name of `path`, as the annotations of a file have it. See `_found`.

        If there is none, the suffix does not count: it is missing, or the photographs were saved in another format.
        """
        name, *_ = _parts(path)
        tries = [(self._by_name, name), (self._by_stem, name), (self._by_stem, _stem(name))]
        return self._found(tries, path, file, where)

    def beside(self, file: str, where: str, endings: Sequence[str] = ()) -> str:
        """Return the photograph with the name of an annotation file, except for suffixes. See `_found`.

        The stem of the annotation's name may have one of the `endings` in addition, in any case.
        """
        stem = _stem(_parts(file)[0])
        stems = [stem, *(stem[: -len(ending)] for ending in endings if stem.lower().endswith(ending))]
        tries = [(index, name) for name in stems for index in (self._by_stem, self._by_name)]
        return self._found(tries, file, file, where)

    def whole(self, file: str) -> str:
        """Return the path of a mask, or that of its folder if the folder has all masks of one photograph.

        MVTec LOCO keeps the masks of `test/KIND/NAME.png` as `KIND/NAME/000.png`, `001.png` and so on.
        """
        parent = PurePosixPath(file).parent
        path = f"{parent}{PurePosixPath(file).suffix}"
        called = self._by_stem.get((spelled(parent.name),), [])
        sorted_by_kinds = (one for one in called if _is_of_test(PurePosixPath(one).parent))
        return path if any(common_folders(path, one) for one in sorted_by_kinds) else file

    def check_folder(self, path: str, photograph: str, where: str) -> None:
        """Raise UserError if the folder of a mask, in which its photograph does not lie, has the name of one."""
        folder = PurePosixPath(path).parent.name
        named = self._by_stem.get((spelled(folder),), [])
        if named and not common_folders(path, photograph):
            raise UserError(
                f"{where}: its folder {folder} has the name of {named[0]}, so it is not certain that it is for "
                f"{photograph}. Rename the folder if it is a kind, or else unite the masks of each photograph in one"
            )

    def only(self, photograph: str, form: str, file: str, where: str) -> str:
        """Return the photograph of a file. Raises UserError if another file of the same form is for it, too."""
        other = self._files.setdefault((photograph, form), file)
        if other != file:
            raise UserError(
                f"{where}: it is for {photograph}, and so is {other}; one of them may be for a photograph that is "
                "missing. Keep one"
            )
        return photograph

    def kind_folder(self, photograph: str, common: int, others: Sequence[str]) -> str:
        """Return the folder of a mask that says which kind of defect it shows, or an empty text if there is none.

        The mask shares the `common` innermost folders with its photograph. They say where the photograph lies, and the
        innermost of the `others` is the kind. But photographs may be sorted by kinds, too: within `test`, as in the
        layout of MVTec, or beside a folder of good ones.
        """
        parents = list(PurePosixPath(photograph).parents)[:common]
        if parents and _is_of_test(parents[-1]):
            return parents[-1].name
        if others:
            return others[-1]
        kind = next((folder.name for folder in parents if folder.parent in self._beside_good), "")
        if parents and not kind:
            self._lots.add(parents[0].name)
        return kind

    def check(self) -> None:
        """Raise UserError if a folder of annotations is of no photograph, though folders beside it are of some.

        Warn if folders of masks could be lots or kinds. Call it after all annotations were paired.
        """
        if len(self._lots) > 1:
            LOG.warning(
                "masks: the folders %s are those of the photographs, and no kinds of defects; if they are kinds, put "
                "the masks into a folder of the kind in addition, such as KIND/%s/NAME.png",
                ", ".join(sorted(self._lots)[:5]),
                min(self._lots),
            )
        for path, photograph, where in self._apart:
            if _folders(path)[1:] in self._agreed:
                raise _missing(path, _folders(path)[0], photograph, where)

    def _found(self, tries: Iterable[tuple[Index, str]], path: str, file: str, where: str) -> str:
        """Return the photograph whose folders have most in common with those of `path`, counted from the name upwards.

        The first of the `tries`, an index and a name in it, that knows the name counts. Of several photographs, it is
        the one whose path begins most like that of the annotation's `file`. Raises UserError, which begins with
        `where`, if there is none, or no single best one, or if `path` names a folder beside that of the photograph, in
        which others lie, or `file` lies in one.
        """
        called, folders = _parts(path)[0], _folders(path)
        known = ((index, (name, *folders)) for index, name in tries if (name,) in index)
        index, parts = next(known, ({}, ()))
        if not parts:
            raise UserError(f"{where}: no photograph of the source is called {called}{self._hint(called)}")
        common = next(count for count in range(len(folders), -1, -1) if parts[: count + 1] in index)
        beginning, best = _of_the_same_beginning(index[parts[: common + 1]], file)
        if len(best) > 1:
            raise UserError(
                f"{where}: {path} may be {best[0]} or {best[1]}; use names that differ, or the same folders"
            )
        if other := self._beside(best[0], folders, common) or self._elsewhere(best[0], file, common, beginning):
            raise _missing(path, other, best[0], where)
        if common:
            self._agreed.add(folders[1:])
        elif folders and _folders(best[0]):
            self._apart.append((path, best[0], where))
        return best[0]

    def _hint(self, name: str) -> str:
        """Return a hint at a photograph whose name differs only in capitals or in how URLs write characters."""
        loosely = _loosely(PurePosixPath(name).stem)
        alike = [paths[0] for (stem, *_), paths in self._by_stem.items() if _loosely(stem) == loosely]
        return f"; {alike[0]} is the closest one, so give both the same name" if alike else ""

    def _beside(self, photograph: str, folders: tuple[str, ...], common: int) -> str:
        """Return the folder that an annotation names in place of that of a photograph, if it is one beside that."""
        parents = PurePosixPath(photograph).parents
        if common >= min(len(folders), len(parents) - 1):
            return ""
        return folders[common] if parents[common].parent / folders[common] in self._places else ""

    def _elsewhere(self, photograph: str, file: str, common: int, beginning: int) -> str:
        """Return where the path of an annotation's file leaves that of its photograph, if others lie in this folder.

        An annotation that names all folders of the photograph from there on means them.
        """
        if common >= len(_folders(photograph)) - beginning:
            return ""
        outermost_first = list(PurePosixPath(file).parents)[-2::-1]
        return next((folder.name for folder in outermost_first[beginning:][:1] if folder in self._places), "")


def _index(paths: Sequence[str], parts_of: Callable[[str], Parts]) -> Index:
    found: Index = {}
    for path in paths:
        parts = parts_of(path)
        for count in range(1, len(parts) + 1):
            found.setdefault(parts[:count], []).append(path)
    return found


def _of_the_same_beginning(paths: Sequence[str], file: str) -> tuple[int, list[str]]:
    """Return how many folders the best of some sorted paths has in common with a file, from the source downwards.

    The second value is the best ones, or the first two of them: they stand where the file would stand.
    """
    folders = _outermost_first(file)
    at = bisect_left(paths, folders, key=_outermost_first)
    most = max(_equal(zip(folders, _outermost_first(one), strict=False)) for one in paths[max(at - 1, 0) : at + 1])
    first = bisect_left(paths, folders[:most], key=lambda one: _outermost_first(one)[:most])
    return most, [one for one in paths[first : first + 2] if _outermost_first(one)[:most] == folders[:most]]


def _loosely(stem: str) -> str:
    return unquote(spelled(stem)).casefold()


def _is_of_test(folder: PurePosixPath) -> bool:
    """Return whether a folder of photographs lies in `test`, and so is a kind in the layout of MVTec."""
    return folder.parent.name == "test"


def _parts(path: str) -> Parts:
    *folders, name = spelled_path(path).split("/")
    return spelled(name), *folders[::-1]


def _stem(name: str) -> str:
    return spelled(PurePosixPath(name).stem)


def _folders(path: str) -> tuple[str, ...]:
    """Return the folders of a path, the innermost one first."""
    return _parts(path)[1:]


def _outermost_first(path: str) -> tuple[str, ...]:
    return _folders(path)[::-1]


def _missing(path: str, folder: str, photograph: str, where: str) -> UserError:
    return UserError(
        f"{where}: {path} is for a photograph of the folder {folder}, but the closest of this name is {photograph}. "
        "Add the photograph that is missing, remove the annotation, or give both the same folder"
    )


def common_folders(first: str, second: str) -> int:
    """Return how many folders two paths have in common, counted from the name upwards."""
    return _equal(zip(_folders(first), _folders(second), strict=False))


def _equal(pairs: Iterable[tuple[str, str]]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
