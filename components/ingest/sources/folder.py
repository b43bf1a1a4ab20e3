"""A folder on this computer."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR, S_ISREG
from typing import BinaryIO

from ...core.errors import UnusableImageError, UserError
from .listing import Listing, check_size

CHUNK_BYTES = 1 << 20


@dataclass(frozen=True)
class FolderFile:
    """One file of a folder."""

    path: str
    version: str
    place: Path

    def fetch(self, to: Path) -> None:
        """Copy the file. Raises UnusableImageError if it cannot be read, also if it vanished or is far too large."""
        with _explained():
            facts = self.place.stat()
            if S_ISDIR(facts.st_mode):
                next(self.place.iterdir(), None)
                raise UnusableImageError("a link to a folder that is listed in another place, or around this one")
        if not S_ISREG(facts.st_mode):
            raise UnusableImageError("neither a file nor a link to one")
        check_size(facts.st_size)
        with _explained():
            source = self.place.open("rb")
        with source, to.open("wb") as target:
            while chunk := _chunk(source):
                target.write(chunk)


@contextmanager
def _explained() -> Iterator[None]:
    """Turn what the system says of a file of the source into a reason for its quarantine."""
    try:
        yield
    except OSError as error:
        raise UnusableImageError(f"cannot be read: {error.strerror}") from error


def _chunk(source: BinaryIO) -> bytes:
    with _explained():
        return source.read(CHUNK_BYTES)


def list_folder(folder: Path) -> Listing:
    """List every file below a folder, which has no revision. Links to folders are followed.

    Folders that cannot be read are listed like files. Raises UserError if that is the folder itself.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of photographs; correct ingest.source")
    return Listing("", [_file(place, folder) for place in sorted(_places(folder))])


def _places(folder: Path) -> Iterator[Path]:
    """Yield what is no folder below `folder`, and what looks like one but is not entered.

    These are folders that cannot be read, and links to folders that are listed anyway: within `folder`, around it, or
    behind an earlier link. So links in circles end, and no number of links makes a folder's files many.
    """
    own, linked, closed = folder.resolve(), set[Path](), list[OSError]()
    for root, folders, files in os.walk(folder, onerror=closed.append, followlinks=True):
        inside, again = Path(root), []
        for name in sorted(folders):
            target = (inside / name).resolve()
            if not (inside / name).is_symlink():
                continue
            if target in linked or target.is_relative_to(own) or own.is_relative_to(target):
                again.append(name)
            linked.add(target)
        folders[:] = sorted(set(folders) - set(again))
        yield from (inside / name for name in (*files, *again))
    for error in closed:
        if Path(error.filename) == folder:
            raise UserError(f"{folder}: cannot be read: {error.strerror}; correct ingest.source, or its permissions")
        yield Path(error.filename)


def _file(place: Path, folder: Path) -> FolderFile:
    """Return a file. A name that is not UTF-8 is written with the numbers of its bytes."""
    path = os.fsencode(place.relative_to(folder).as_posix()).decode("utf-8", "backslashreplace")
    return FolderFile(path, _version(place), place)


def _version(place: Path) -> str:
    """Return what tells versions of a file apart. It may be a broken link, out of reach, or gone already.

    Copying programs may keep the time of a photograph, but no program sets when the file itself was changed (ctime).
    """
    for look in (place.stat, place.lstat):
        with suppress(OSError):
            facts = look()
            return f"{facts.st_size}/{facts.st_mtime_ns}/{facts.st_ctime_ns}"
    return ""
