"""Work on many items, in parallel on all cores that the memory allows, that resumes when it is started again.

The unfinished folder keeps one record per finished item. Only work with the same fingerprint resumes from it. Records
may also be kept beside the finished folder, so that later work takes over the items that are still the same.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .cores import usable_cores
from .errors import UserError, WorkerKilledError
from .files import check_replaceable, link, read_json, replace_folder, sha256_of_file, write_json
from .progress import Progress
from .workers import keep_freed_memory, usable_workers

Item = TypeVar("Item")
Record = dict[str, Any]
Stamp = list[int]
"""When a file was changed last, in ns, and its size in bytes."""
RECORDS = ".records"


@dataclass(frozen=True)
class Reuse:
    """Where earlier results are, and which files belong to a record."""

    finished: Path
    """The folder of an earlier result, if there is one."""
    made: Callable[[Record], Mapping[str, str] | None]
    """Returns the files of a record, relative to the folder, with their SHA-256, or None if it has to be made again."""

    @property
    def kept(self) -> Path:
        """The file of the records, by the keys of their items. It is no part of the result, so nobody need have it."""
        return self.finished.with_name(f".{self.finished.name}.records")

    def earlier(self) -> "Earlier":
        """Return what is kept of the earlier result. None that can be read is none at all."""
        try:
            return Earlier(**read_json(self.kept))
        except (UserError, TypeError):
            return Earlier({}, {})

    def is_whole(self, record: Record, folder: Path, stamps: Mapping[str, Stamp]) -> bool:
        """Return whether a record may be used again, and its files are in `folder`, unchanged."""
        files = self.made(record)
        return files is not None and all(_is(folder / name, sha, stamps.get(name)) for name, sha in files.items())

    def take_over(self, record: Record, folder: Path, stamps: Mapping[str, Stamp]) -> bool:
        """Put the files of a record into `folder`, too; return whether all of them are there and unchanged."""
        if not self.is_whole(record, self.finished, stamps):
            return False
        for name in self.made(record) or {}:
            link(self.finished / name, folder / name)
        return True

    def keep(self, records: Mapping[str, Record], folder: Path) -> None:
        """Keep the records of a result, whose files are in `folder`."""
        files = [file for record in records.values() for file in self.made(record) or {}]
        stamps = {file: _stamp(folder / file) for file in files}
        write_json(self.kept, {"records": records, "stamps": stamps}, indent=None)


@dataclass(frozen=True)
class Earlier:
    """What is kept of an earlier result."""

    records: Mapping[str, Record]
    """By the keys of their items."""
    stamps: Mapping[str, Stamp]
    """When each file was made, and its size. A file with the same stamp is not read to see whether it has changed."""


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return [status.st_mtime_ns, status.st_size]


def _is(path: Path, sha256: str, stamp: Stamp | None) -> bool:
    return path.is_file() and (_stamp(path) == stamp or sha256_of_file(path) == sha256)


def unfinished(path: Path) -> Path:
    """Return the folder where `path` is made until it is finished."""
    return path.with_name(f".{path.name}.partial")


@contextmanager
def resumable_folder(path: Path, fingerprint: str, marker: str) -> Iterator[Path]:
    """Yield the folder to fill. It replaces `path` if the block succeeds, and is kept for resuming on failure.

    Raises UserError as `check_replaceable` does.
    """
    check_replaceable(path, marker)
    partial = unfinished(path)
    record = partial / RECORDS / "fingerprint.json"
    if not record.is_file() or read_json(record) != fingerprint:
        shutil.rmtree(partial, ignore_errors=True)
        write_json(record, fingerprint)
    yield partial
    shutil.rmtree(partial / RECORDS)
    replace_folder(partial, path)


def map_resumably(
    what: str,
    work: Callable[[Item, Path], Record],
    items: Sequence[tuple[str, Item]],
    folder: Path,
    reuse: Reuse | None = None,
) -> list[Record]:
    """Return `work(item, folder)` for every (key, item), in order. Items with a record are not done again.

    `work` runs in other processes, so it and the items must be picklable. Its record must be JSON-like. With `reuse`,
    an item whose key is that of an earlier result is taken over, unless its files have changed. So keys must hold a
    digest of everything that matters.
    """
    progress = Progress(what, len(items), "images")
    made = _kept(items, folder, reuse, progress)
    waiting = [(key, item) for key, item in items if key not in made]
    if waiting:
        made |= _in_processes(what, work, waiting, folder, progress)
    records = [made[key] for key, _ in items]
    if reuse:
        reuse.keep(dict(zip((key for key, _ in items), records, strict=True)), folder)
    return records


def _kept(
    items: Sequence[tuple[str, Item]], folder: Path, reuse: Reuse | None, progress: Progress
) -> dict[str, Record]:
    """Return the records of items that need not be done again, by key. Threads verify several files at a time."""
    earlier = reuse.earlier() if reuse else Earlier({}, {})

    def record_of(key: str) -> Record | None:
        return _record_kept(key, folder, reuse, earlier)

    found: dict[str, Record] = {}
    with ThreadPoolExecutor(usable_cores()) as threads:
        for (key, _), record in zip(items, threads.map(record_of, (key for key, _ in items)), strict=True):
            if record is not None:
                found[key] = record
                progress.advance(1)
    return found


def _record_kept(key: str, folder: Path, reuse: Reuse | None, earlier: Earlier) -> Record | None:
    kept = _record_file(folder, key)
    if kept.is_file():
        record: Record = read_json(kept)
        if reuse is None or reuse.is_whole(record, folder, {}):
            return record
    known = earlier.records.get(key)
    return known if reuse and known and reuse.take_over(known, folder, earlier.stamps) else None


def _in_processes(
    what: str,
    work: Callable[[Item, Path], Record],
    items: Sequence[tuple[str, Item]],
    folder: Path,
    progress: Progress,
) -> dict[str, Record]:
    """Return `work(item, folder)` of each item, by key."""
    made: dict[str, Record] = {}
    with ProcessPoolExecutor(max_workers=usable_workers(), initializer=keep_freed_memory) as pool:
        running = {pool.submit(_record_of, work, key, item, folder): key for key, item in items}
        try:
            for finished in as_completed(running):
                made[running[finished]] = finished.result()
                progress.advance(1)
        except BrokenProcessPool as error:
            raise WorkerKilledError(
                f"{what}: a worker process was killed (out of memory?); run the same command again to resume"
            ) from error
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return made


def keep_only(folder: Path, files: set[str]) -> None:
    """Delete the files of an unfinished folder that are neither in `files`, relative to it, nor records."""
    for path in [path for path in folder.rglob("*") if path.is_file()]:
        name = path.relative_to(folder).as_posix()
        if name not in files and not name.startswith(f"{RECORDS}/"):
            path.unlink()


def _record_file(folder: Path, key: str) -> Path:
    return folder / RECORDS / f"{key}.json"


def _record_of(work: Callable[[Item, Path], Record], key: str, item: Item, folder: Path) -> Record:
    """Do the work; return its record, which is kept in the folder."""
    kept = _record_file(folder, key)
    write_json(kept, work(item, folder))
    return dict(read_json(kept))
