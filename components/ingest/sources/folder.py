"""A folder on this computer, or a .yaml file that describes frames to render."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from ...core.errors import UserError
from ...core.files import sha256_of_file
from .listing import Listing


@dataclass(frozen=True)
class FolderFile:
    """One file of a folder."""

    path: str
    version: str
    place: Path

    def fetch(self, to: Path) -> None:
        """Copy the file."""
        shutil.copyfile(self.place, to)


def list_folder(folder: Path) -> Listing:
    """List every file below a folder, which has no revision."""
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder of photographs; correct ingest.source")
    places = sorted(path for path in folder.rglob("*") if path.is_file())
    return Listing("", [_file(place, folder) for place in places])


def _file(place: Path, folder: Path) -> FolderFile:
    facts = place.stat()
    return FolderFile(place.relative_to(folder).as_posix(), f"{facts.st_size}/{facts.st_mtime_ns}", place)


def list_rendered(source: Path) -> Listing:
    """List a .yaml source: its digest is the revision, and its frames are no files yet."""
    if not source.is_file():
        raise UserError(f"{source}: no such file; correct ingest.source")
    return Listing(sha256_of_file(source), [])
