"""Files that are either whole or absent under their final name."""

import errno
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .errors import UserError

LITTER = re.compile(r"(^|/)(\.DS_Store$|\._|Thumbs\.db$|desktop\.ini$|\.nfs|\.ipynb_checkpoints/)")
"""What file managers, file servers and notebooks leave in any folder."""


@dataclass(frozen=True)
class Marker:
    """What tells the finished folders of one command from all other folders."""

    file: str
    """Every finished folder holds it."""
    objection: Callable[[Path], str]
    """Says what a folder with that file holds that the command does not write, or returns an empty text."""


def json_marker(file: str, *keys: str) -> Marker:
    """Return the marker of folders whose `file` is a JSON object with these keys."""

    def objection(folder: Path) -> str:
        try:
            content = read_json(folder / file)
        except UserError as error:
            return f"{error}; if it is a damaged result, delete it"
        written = isinstance(content, dict) and content.keys() >= set(keys)
        return "" if written else f"its {file} was not written by this command"

    return Marker(file, objection)


def names_marker(file: str, names: Collection[str], begins: str = "") -> Marker:
    """Return the marker of folders that hold nothing but `names`, and whose `file` begins with some text.

    A name stands for a file or folder, and NAME/ for a folder with all that is in it.
    """

    def objection(folder: Path) -> str:
        found = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
        if strange := [name for name in found if not (_is_one_of(name, names) or LITTER.search(name))]:
            return f"{strange[0]}, which this command does not write"
        with (folder / file).open(encoding="utf-8", errors="replace") as lines:
            return "" if lines.read(len(begins)) == begins else f"its {file} was not written by this command"

    return Marker(file, objection)


def _is_one_of(name: str, names: Collection[str]) -> bool:
    return name in names or any(name.startswith(folder) for folder in names if folder.endswith("/"))


@contextmanager
def atomic_file(path: Path) -> Iterator[Path]:
    """Yield a path to write to. It is renamed to `path` if the block succeeds, and deleted if the block fails.

    A link is replaced, because DVC may have made it, and the file behind it belongs to other versions, too. An OSError
    without a file name, such as that of a full disk, gets the name `path`.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        yield partial
        with partial.open("rb+") as file:
            os.fsync(file.fileno())
        partial.replace(path)
    except BaseException as error:
        partial.unlink(missing_ok=True)
        if isinstance(error, OSError) and error.filename is None:
            error.filename = str(path)
        raise


@contextmanager
def atomic_folder(path: Path, marker: Marker) -> Iterator[Path]:
    """Yield an empty folder to fill. It replaces `path` if the block succeeds, and is deleted if the block fails.

    A link stays, and the folder that it names is replaced. Raises UserError as `check_replaceable` does.
    """
    put_back(path, marker.file)
    check_replaceable(path, marker)
    partial = unfinished(path)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    try:
        yield partial
        replace_folder(partial, path)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise


def unfinished(path: Path) -> Path:
    """Return where a folder is made until it is finished: beside it, or beside what it is a link to."""
    place = path.resolve()
    return place.with_name(f".{place.name}.partial")


def check_replaceable(path: Path, marker: Marker) -> None:
    """Raise a UserError unless `path` is absent, an empty folder, or an earlier result, which no git repository is."""
    if not path.exists() or (path.is_dir() and not any(path.iterdir())):
        return
    found = f"no {marker.file}"
    if (path / ".git").exists():
        found = "it is a git repository"
    elif (path / marker.file).is_file():
        found = marker.objection(path)
    if found:
        raise UserError(f"{path}: holds something else ({found}); nothing was changed, choose another folder")


def check_apart(filled: Mapping[str, Path], read: Mapping[str, Path | None]) -> None:
    """Raise a UserError if a folder to fill is one that is read, or lies in one or around one. Links are followed."""
    for output, target in filled.items():
        for name, source in read.items():
            if source is not None and overlap(resolved(target, output), resolved(source, name)):
                raise UserError(
                    f"{target} ({output}) and {source} ({name}) lie within each other, and what is read must stay as "
                    "it is; nothing was changed, choose another folder for one of them"
                )


def overlap(one: Path, other: Path) -> bool:
    """Return whether one of two resolved paths is the other, or lies in it."""
    return one.is_relative_to(other) or other.is_relative_to(one)


def resolved(path: Path, what: str) -> Path:
    """Return a path without links. Raises UserError, which says `what` the path is, for links in a circle."""
    try:
        path.stat()
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise UserError(f"{path} ({what}): links in a circle; correct the path") from error
    return path.resolve()


def replace_folder(new: Path, path: Path) -> None:
    """Replace `path`, or what it is a link to, by the folder `new`. The earlier content is deleted."""
    place, old = path.resolve(), earlier(path)
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def put_back(path: Path, file: str) -> None:
    """Give the earlier content of a folder its name again, if a process was killed while it replaced the folder.

    Whole content holds `file`.
    """
    place = path.resolve()
    if not place.exists() and (earlier(path) / file).is_file():
        earlier(path).rename(place)


def earlier(path: Path) -> Path:
    """Return where the content of a folder is while it is replaced: beside it, or beside what it is a link to."""
    place = path.resolve()
    return place.with_name(f".{place.name}.old")


def link(source: Path, target: Path) -> None:
    """Give a file a second name. Files are replaced as a whole and never changed, so both may be the same file."""
    target.parent.mkdir(parents=True, exist_ok=True)
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def write_json(path: Path, content: object, indent: int | None = 2) -> None:
    """Write `content` as readable JSON, atomically. Without `indent`, it is four times as fast."""
    with atomic_file(path) as partial:
        partial.write_text(json.dumps(content, indent=indent) + "\n", encoding="utf-8")


def read_json(path: Path) -> Any:
    """Read a JSON file; a missing or broken one is a UserError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path}: not valid JSON: {error}") from error


def sha256_of_file(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hexadecimal."""
    return digest_of_file(path, "sha256")


def digest_of_file(path: Path, algorithm: str) -> str:
    """Return the digest of a file's bytes in hexadecimal, by the name of its algorithm, as hashlib knows it.

    MD5, which object stores and DVC list, is no security here. Computers in FIPS mode compute it for nothing else.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.new(algorithm, usedforsecurity=False)).hexdigest()


def sha256_of_bytes(content: bytes) -> str:
    """Return the SHA-256 of bytes in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def etag_of_parts(path: Path, part_bytes: int) -> str:
    """Return the ETag that an object store gives a file that is uploaded in parts of this size.

    It is the MD5 of the MD5s of the parts, a hyphen, and the number of parts.
    """
    digests = []
    with path.open("rb") as file:
        while part := file.read(part_bytes):
            digests.append(hashlib.md5(part, usedforsecurity=False).digest())
    return f"{hashlib.md5(b''.join(digests), usedforsecurity=False).hexdigest()}-{len(digests)}"
