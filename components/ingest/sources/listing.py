"""What every kind of source gives: a listing of its files, each of which can be fetched."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from ...core.errors import UserError


class SourceFile(Protocol):
    """A file of a source. Picklable, so that other processes fetch it."""

    @property
    def path(self) -> str:
        """Its path below the source, with slashes."""

    @property
    def version(self) -> str:
        """Return what differs when its bytes do."""

    def fetch(self, to: Path) -> None:
        """Write its bytes to the file `to`; a UserError where they are no longer those that were listed."""


@dataclass(frozen=True)
class Listing:
    """The files of a source at one revision."""

    revision: str
    """What pins the data: a commit, or a digest; empty for a folder, whose bytes may change under its name."""
    files: Sequence[SourceFile]

    def read(self, path: str) -> bytes:
        """Return the bytes of one file; a UserError where it is not listed."""
        found = [file for file in self.files if file.path == path]
        if not found:
            raise UserError(f"{path}: no such file in the source")
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "copy"
            found[0].fetch(copy)
            return copy.read_bytes()
