"""Work on many items, in parallel on all cores that the memory allows, that resumes when it is started again.

The unfinished folder keeps one record per finished item. Only work with the same fingerprint resumes from it. Records
may also be kept beside the finished folder, so that later work takes over the items that are still the same.
"""

import shutil
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from .cores import usable_cores
from .errors import UserError, WorkerKilledError
from .files import (
    Marker,
    check_replaceable,
    link,
    put_back,
    read_json,
    replace_folder,
    sha256_of_file,
    unfinished,
    write_json,
)
from .locks import alone
from .progress import Progress
from .signals import end_with_parent
from .workers import usable_workers

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
    part: str = ""
    """What the file of these records is also called after, if a folder has several."""

    @property
    def kept(self) -> Path:
        """The file of the records, by the keys of their items. It is no part of the result, so nobody need have it."""
        return self.finished.with_name(f".{self.finished.name}{self.part}.records")

    def earlier(self) -> "Kept":
        """Return what is kept of the earlier result. None that can be read is none at all."""
        try:
            found = read_json(self.kept)
            return Kept(_objects(found["records"], dict), _objects(found["stamps"], list))
        except (UserError, TypeError, KeyError):
            return Kept({}, {})

    def whole(self, record: Record, folder: Path, known: Mapping[str, Stamp]) -> dict[str, Stamp] | None:
        """Return the stamps of a record's files in `folder`, or None if they were changed, or it may not be used again.

        Files with a `known` stamp are not read.
        """
        files = self.made(record)
        if files is None:
            return None
        found: dict[str, Stamp] = {}
        for name, sha256 in files.items():
            path = folder / name
            if not path.is_file():
                return None
            found[name] = _stamp(path)
            if found[name] != known.get(name) and sha256_of_file(path) != sha256:
                return None
        return found

    def take_over(self, record: Record, folder: Path, known: Mapping[str, Stamp]) -> dict[str, Stamp] | None:
        """Put the files of a record into `folder`, too, and return their stamps as `whole` does."""
        stamps = self.whole(record, self.finished, known)
        for name in stamps or ():
            link(self.finished / name, folder / name)
        return stamps

    def stamps(self, record: Record, folder: Path) -> dict[str, Stamp]:
        """Return the stamps of the files of a record that was just made in `folder`."""
        return {name: _stamp(folder / name) for name in self.made(record) or ()}


@dataclass(frozen=True)
class Kept:
    """What is kept of a result, or of what is done of one."""

    records: dict[str, Record]
    """By the keys of their items."""
    stamps: dict[str, Stamp]
    """Of each file when its content was known. As long as it has the same one, it counts as unchanged."""


def _objects(found: Mapping[str, Any], wanted: type) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise TypeError(f"expected an object, got {type(found).__name__}")
    return {key: value for key, value in found.items() if isinstance(value, wanted)}


def _stamp(path: Path) -> Stamp:
    status = path.stat()
    return [status.st_mtime_ns, status.st_size]


@contextmanager
def resumable_folder(path: Path, fingerprint: str, marker: Marker) -> Iterator[Path]:
    """Yield the folder to fill. It replaces `path` if the block succeeds, and is kept for resuming on failure.

    Raises UserError as `check_replaceable` does, and if another process fills the folder.
    """
    check_replaceable(path, marker)
    partial = unfinished(path)
    with alone(partial, f"{path}: another process is filling it; wait until it ends, then run the same command again"):
        put_back(path, marker.file)
        record = partial / RECORDS / "fingerprint.json"
        if not record.is_file() or read_json(record) != fingerprint:
            _empty(partial)
            write_json(record, fingerprint)
        yield partial
        shutil.rmtree(partial / RECORDS)
        replace_folder(partial, path)


def _empty(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink()


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
    done = _done(what, items, folder, reuse)
    waiting = [(key, item) for key, item in items if key not in done.records]
    if waiting:
        progress = Progress(what, len(items), "images", done=len(items) - len(waiting))
        for key, record in _in_processes(what, work, waiting, folder, progress):
            done.records[key] = record
            done.stamps.update(reuse.stamps(record, folder) if reuse else {})
    records = {key: done.records[key] for key, _ in items}
    if reuse:
        write_json(reuse.kept, vars(Kept(records, done.stamps)), indent=None)
    return list(records.values())


def _done(what: str, items: Sequence[tuple[str, Item]], folder: Path, reuse: Reuse | None) -> Kept:
    """Return what need not be done again. Threads verify several files at a time."""
    earlier, progress = reuse.earlier() if reuse else Kept({}, {}), Progress(what, len(items), "images")
    done = Kept({}, {})
    with ThreadPoolExecutor(usable_cores()) as threads:
        try:
            found = threads.map(lambda key: _record_kept(key, folder, reuse, earlier), (key for key, _ in items))
            for (key, _), (record, stamps) in zip(items, found, strict=True):
                if record is not None:
                    done.records[key] = record
                    done.stamps.update(stamps)
                    progress.advance(1)
        except BaseException:
            threads.shutdown(cancel_futures=True)
            raise
    return done


def _record_kept(
    key: str, folder: Path, reuse: Reuse | None, earlier: Kept
) -> tuple[Record | None, Mapping[str, Stamp]]:
    """Return the record of an item that need not be done again, and the stamps of its files; None if there is none."""
    kept = _record_file(folder, key)
    if kept.is_file():
        record: Record = read_json(kept)
        stamps = reuse.whole(record, folder, {}) if reuse else {}
        if stamps is not None:
            return record, stamps
    known = earlier.records.get(key)
    stamps = reuse.take_over(known, folder, earlier.stamps) if reuse and known else None
    return (None, {}) if stamps is None else (known, stamps)


def _in_processes(
    what: str,
    work: Callable[[Item, Path], Record],
    items: Sequence[tuple[str, Item]],
    folder: Path,
    progress: Progress,
) -> Iterator[tuple[str, Record]]:
    """Yield the key of each item and `work(item, folder)`, as they are done."""
    workers = min(usable_workers(), len(items))
    with ProcessPoolExecutor(workers, initializer=end_with_parent, initargs=(signal.SIGKILL,)) as pool:
        try:
            running = {pool.submit(_record_of, work, key, item, folder): key for key, item in items}
            for finished in as_completed(running):
                yield running[finished], finished.result()
                progress.advance(1)
        except BaseException as error:
            pool.shutdown(cancel_futures=True)
            if isinstance(error, BrokenProcessPool | MemoryError):
                raise WorkerKilledError(
                    f"{what}: a worker process was killed or ran out of memory; run the same command again to resume"
                ) from error
            raise


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
