"""A folder on this computer, or a .yaml file that describes frames to render."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISREG

from ...core.errors import UserError
from ...core.files import sha256_of_file
from ...core.images import UnusableImageError
from .listing import Listing


@dataclass(frozen=True)
class FolderFile:
    """One file of a folder."""

    path: str
    version: str
    place: Path

    def fetch(self, to: Path) -> None:
        """Copy the file. Raises UnusableImageError if it cannot be read."""
        try:
            if not S_ISREG(self.place.stat().st_mode):
                raise UnusableImageError("neither a file nor a link to one")
            self.place.open("rb").close()
        except OSError as error:
            raise UnusableImageError(f"cannot be read: {error.strerror}") from error
        shutil.copyfile(self.place, to)


def list_folder(folder: Path) -> Listing:
    """List every file below a folder, which has no revision. Links to folders are followed."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of photographs; correct ingest.source")
    return Listing("", [_file(place, folder) for place in sorted(_places(folder))])


def _places(folder: Path) -> Iterator[Path]:
    """Yield what is no folder below `folder`, and links to folders around themselves, which would lead in circles."""
    for root, folders, files in os.walk(folder, followlinks=True):
        inside = Path(root)
        around = {place.resolve() for place in (inside, *inside.parents)}
        loops = [name for name in folders if (inside / name).is_symlink() and (inside / name).resolve() in around]
        folders[:] = [name for name in folders if name not in loops]
        yield from (inside / name for name in (*files, *loops))


def _file(place: Path, folder: Path) -> FolderFile:
    """Return a file. A name that is not UTF-8 is written with the numbers of its bytes."""
    facts = place.stat() if place.exists() else place.lstat()
    path = os.fsencode(place.relative_to(folder).as_posix()).decode("utf-8", "backslashreplace")
    return FolderFile(path, f"{facts.st_size}/{facts.st_mtime_ns}", place)


def list_rendered(source: Path) -> Listing:
    """List a .yaml source: its digest is the revision, and its frames are no files yet."""
    if not source.is_file():
        raise UserError(f"{source}: no such file; correct ingest.source")
    return Listing(sha256_of_file(source), [])
