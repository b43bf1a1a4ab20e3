"""Files of checksums that lie in a source, such as `SHA256SUMS` and `a.jpg.sha256`. What they name is checked.

Their lines are those of GNU's `sha256sum` and of its BSD form: `DIGEST  NAME` or `SHA256 (NAME) = DIGEST`. A file that
is called like another one, apart from its suffix, may hold the digest alone.
"""

import posixpath
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..core.errors import UnusableImageError, UserError
from ..core.files import digest_of_file
from ..core.log import logger
from .sources.listing import Listing, SourceFile
from .spelling import encoding_of, spelled_path

LOG = logger("ingest")
ALGORITHMS = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}
"""By the number of hexadecimal digits."""
SUFFIXES = tuple(f".{algorithm}" for algorithm in ALGORITHMS.values())
NAMES = re.compile(r"(md5|sha1|sha256|sha512|check)[-_]?sums?(\.txt)?")
"""Names of files with the digests of many files, in lower case."""
GNU = re.compile(r"(?P<escaped>\\?)(?P<digest>[0-9a-fA-F]+)(?:[ \t]+\*?(?P<name>.+))?")
BSD = re.compile(r"(?P<escaped>\\?)[A-Za-z0-9-]+ \((?P<name>.+)\) ?= ?(?P<digest>[0-9a-fA-F]+)")


def holds_checksums(path: str) -> bool:
    """Return whether a file of this name holds checksums."""
    name = posixpath.basename(path).lower()
    return name.endswith(SUFFIXES) or NAMES.fullmatch(name) is not None


@dataclass(frozen=True)
class Checksum:
    """What a file must be, and where that is written."""

    digest: str
    where: str = field(repr=False)

    @property
    def algorithm(self) -> str:
        """Its name, as hashlib knows it."""
        return ALGORITHMS[len(self.digest)]


@dataclass(frozen=True)
class CheckedFile:
    """A file of a source whose bytes must have some checksums."""

    file: SourceFile
    checksums: tuple[Checksum, ...]

    @property
    def path(self) -> str:
        """The path of the file."""
        return self.file.path

    @property
    def version(self) -> str:
        """The version of the file, and its checksums, so that it is checked again if these change."""
        return " ".join([self.file.version, *(checksum.digest for checksum in self.checksums)])

    def fetch(self, to: Path) -> None:
        """Fetch the file. Raises UnusableImageError if its bytes have another checksum."""
        self.file.fetch(to)
        for checksum in self.checksums:
            found = digest_of_file(to, checksum.algorithm)
            if found != checksum.digest:
                raise UnusableImageError(
                    f"its {checksum.algorithm.upper()} is {found[:12]}..., but {checksum.where} says "
                    f"{checksum.digest[:12]}...; copy it again from its origin"
                )


def with_checksums(listing: Listing, sums: Sequence[str]) -> Listing:
    """Return a listing whose files are checked when they are fetched. `sums` are the paths of its files of checksums.

    Warns of names that are not in the listing. Raises UserError, with the line, for what is no checksum.
    """
    found: dict[str, list[Checksum]] = {}
    absent = []
    for path in sums:
        for names, checksum in _read(listing.read(path), path):
            name = next(filter(None, map(listing.meant, names)), None)
            if name is None:
                absent.append(f"{names[0]} of {checksum.where}")
            else:
                found.setdefault(name, []).append(checksum)
    if absent:
        LOG.warning("%d files that checksums name are not in the source, such as %s", len(absent), absent[0])
    if sums:
        LOG.info("%d files are checked by %d files of checksums", len(found), len(sums))
    return replace(listing, files=[_checked(file, found.get(file.path, [])) for file in listing.files])


def _checked(file: SourceFile, checksums: list[Checksum]) -> SourceFile:
    return CheckedFile(file, tuple(checksums)) if checksums else file


def _read(content: bytes, path: str) -> Iterator[tuple[list[str], Checksum]]:
    """Yield each checksum with the paths that its name may mean."""
    text = content.decode(encoding_of(content), "backslashreplace")
    own = posixpath.splitext(path)[0] if path.lower().endswith(SUFFIXES) else ""
    for number, line in enumerate(text.splitlines(), start=1):
        line = line.strip()
        if not line or line.startswith(("#", ";")):
            continue
        match = BSD.fullmatch(line) or GNU.fullmatch(line)
        if match is None or len(match["digest"]) not in ALGORITHMS or not (match["name"] or own):
            raise UserError(
                f"{path}: line {number}: expected a digest and the name of a file, as sha256sum writes them; correct "
                "the file, or delete it"
            )
        name = _unescaped(match["name"], match["escaped"]) if match["name"] else posixpath.basename(own)
        yield _meant(name, own, path), Checksum(match["digest"].lower(), f"line {number} of {path}")


def _unescaped(name: str, escaped: str) -> str:
    """Return a name in which `sha256sum` has written line breaks and backslashes as two characters."""
    return re.sub(r"\\([\\nr])", lambda found: {"n": "\n", "r": "\r"}.get(found[1], "\\"), name) if escaped else name


def _meant(name: str, own: str, path: str) -> list[str]:
    """Return the paths that a name in the file `path` may mean: below its folder, or `own`, what it is called after."""
    named = posixpath.normpath(posixpath.join(posixpath.dirname(path), name))
    return [named, own] if posixpath.basename(spelled_path(name)) == posixpath.basename(spelled_path(own)) else [named]
