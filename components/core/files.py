"""Files that are either whole or absent under their final name."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .errors import UserError


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
def atomic_folder(path: Path, marker: str) -> Iterator[Path]:
    """Yield an empty folder to fill. It replaces `path` if the block succeeds, and is deleted if the block fails.

    A link stays, and the folder that it names is replaced. Raises UserError as `check_replaceable` does.
    """
    put_back(path)
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


def check_replaceable(path: Path, marker: str) -> None:
    """Raise a UserError unless `path` is absent, an empty folder, or an earlier result.

    `marker` is a file that every finished folder of that type holds. A user's own folder does not hold it.
    """
    if path.is_dir() and ((path / marker).is_file() or not any(path.iterdir())):
        return
    if path.exists():
        raise UserError(f"{path}: holds something else (no {marker}); nothing was changed, choose another folder")


def replace_folder(new: Path, path: Path) -> None:
    """Replace `path`, or what it is a link to, by the folder `new`. The earlier content is deleted."""
    place = path.resolve()
    old = _earlier(place)
    shutil.rmtree(old, ignore_errors=True)
    if place.exists():
        place.rename(old)
    new.rename(place)
    shutil.rmtree(old, ignore_errors=True)


def put_back(path: Path) -> None:
    """Give the earlier content of a folder its name again, if a process was killed while it replaced the folder."""
    place = path.resolve()
    if not place.exists() and _earlier(place).is_dir():
        _earlier(place).rename(place)


def _earlier(place: Path) -> Path:
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
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def md5_of_file(path: Path) -> str:
    """Return the MD5 of a file's bytes in hexadecimal, the digest that object stores and DVC list."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
