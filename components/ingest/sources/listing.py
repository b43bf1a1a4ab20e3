"""The interface of every type of source: a listing of files that can be fetched one by one."""

import tempfile
from collections import deque
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Protocol

from ...core.errors import UnusableImageError, UserError
from ..spelling import spelled_path

MAX_BYTES = 2 << 30
"""The pixels of the largest photograph that is taken need less, also without compression, with 16 bits a channel."""
READ_AHEAD = 8
"""Files that are fetched at a time where many small ones are read: an object store takes long to answer."""


class SourceFile(Protocol):
    """A file of a source. It is picklable, so that other processes can fetch it."""

    @property
    def path(self) -> str:
        """The path below the source, with forward slashes."""

    @property
    def version(self) -> str:
        """A text that differs between versions of the file's bytes."""

    def fetch(self, to: Path) -> None:
        """Write the file's bytes to the file `to`.

        Raises UserError if they differ from the listed bytes, and UnusableImageError if there are none or far too many.
        """


def check_size(size_bytes: int) -> None:
    """Raise UnusableImageError for a file that is too large for any photograph, before its bytes are read."""
    if size_bytes > MAX_BYTES:
        raise UnusableImageError(f"{size_bytes / 1e9:.1f} GB, more than the pixels of any photograph take")


@dataclass(frozen=True)
class Listing:
    """The files of a source at one revision."""

    revision: str
    """What pins the data: a commit or a digest. Empty for a folder, whose bytes may change under the same name."""
    files: Sequence[SourceFile]

    def file(self, path: str) -> SourceFile:
        """Return one file. Raises UserError if it is not listed."""
        if path not in self._by_path:
            raise UserError(f"{path}: no such file in the source")
        return self._by_path[path]

    def meant(self, path: str) -> str | None:
        """Return the path of the file that is called so, or else of one that looks so (`spelled_path`), or None."""
        return path if path in self._by_path else self._by_look.get(spelled_path(path))

    @cached_property
    def _by_look(self) -> dict[str, str]:
        return {spelled_path(path): path for path in self._by_path}

    @cached_property
    def _by_path(self) -> dict[str, SourceFile]:
        return {file.path: file for file in self.files}

    def read(self, path: str) -> bytes:
        """Return the bytes of one file. Raises UserError if it is not listed, or cannot be read."""
        with tempfile.TemporaryDirectory() as folder:
            copy = Path(folder) / "copy"
            try:
                self.file(path).fetch(copy)
            except UnusableImageError as error:
                raise UserError(f"{path}: {error}") from error
            return copy.read_bytes()

    def contents(self, paths: Iterable[str]) -> Generator[bytes, None, None]:
        """Yield the bytes of files, in order, as `read` returns them. The next few are fetched meanwhile."""
        pool, ahead = ThreadPoolExecutor(READ_AHEAD), deque[Future[bytes]]()
        try:
            for path in paths:
                ahead.append(pool.submit(self.read, path))
                if len(ahead) == READ_AHEAD:
                    yield ahead.popleft().result()
            while ahead:
                yield ahead.popleft().result()
        finally:
            pool.shutdown(cancel_futures=True)
