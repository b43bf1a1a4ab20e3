"""Backups of buckets, one folder for each day, and how they are restored.

A backup holds `backup.json`, the files that were given to it, such as the dump of a database, and every object once, in
`objects/`, named by its SHA-256. So any key of an object can be saved. Objects that have not changed since the backup
before are not fetched again: they are the same files, by a second name. A folder gets its name when it is whole. One
that was broken off is continued, also on a later day.
"""

import re
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from ..core.errors import UserError
from ..core.files import json_marker, link, put_back, read_json, sha256_of_file, unfinished, write_json
from ..core.locks import alone
from ..core.parameters import digest, parameters, parse
from ..core.progress import Progress
from ..core.resumable import RECORDS, keep_only, resumable_folder
from .storage import SCHEME, StoredObject, download, list_objects, metadata_of, upload_file, uploaded_etag

MANIFEST = "backup.json"
DAY = re.compile(r"\d{4}-\d\d-\d\d")
HIDDEN_DAY = ".[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]"
"""Pattern of the names of unfinished and replaced folders, without their suffix."""


@parameters
class SavedObject:
    """An object of a bucket in a backup."""

    key: str
    etag: str
    size_bytes: int
    sha256: str
    metadata: dict[str, str]


@parameters
class Manifest:
    """What a backup holds."""

    files: dict[str, str]
    """SHA-256 of each given file, by its name."""
    buckets: dict[str, list[SavedObject]]


@dataclass(frozen=True)
class Saved:
    """A backup that was made."""

    folder: Path
    objects: int
    fetched: int
    fetched_bytes: int


def save(root: Path, buckets: Sequence[str], files: Sequence[Path], keep: int) -> Saved:
    """Make the backup of today in a folder of `root`; of earlier ones, keep so many that there are `keep`.

    A backup of the same day is replaced. Raises UserError if a bucket or a file cannot be read, if there is a backup of
    a later day, or if another process makes one; then nothing changes.
    """
    _check_names(files)
    with alone(root, f"{root}: another backup is being made there; wait until it ends"):
        return _save_today(root, buckets, files, keep)


def _save_today(root: Path, buckets: Sequence[str], files: Sequence[Path], keep: int) -> Saved:
    today = root / f"{datetime.now(UTC):%Y-%m-%d}"
    for old in root.glob(f"{HIDDEN_DAY}.old"):
        put_back(root / old.name[1:-4], MANIFEST)
    earlier = days(root)
    if earlier and earlier[-1].name > today.name:
        raise UserError(
            f"{earlier[-1]}: a backup of a later day than today, {today.name}: the clock of this computer or of that "
            "backup is wrong; set the clock, or rename that folder to its true day"
        )
    before = _Before(earlier[-1] if earlier else None)
    _continue(root, today)
    with resumable_folder(today, MANIFEST, json_marker(MANIFEST, "files", "buckets")) as folder:
        for file in files:
            shutil.copyfile(file, folder / file.name)
        saved = {bucket: _save_bucket(bucket, folder, before) for bucket in buckets}
        given = {file.name: sha256_of_file(folder / file.name) for file in files}
        write_json(folder / MANIFEST, asdict(Manifest(given, saved)))
        objects = {_place(folder, one.sha256) for several in saved.values() for one in several}
        keep_only(folder, {MANIFEST, *given, *(path.relative_to(folder).as_posix() for path in objects)})
    for old in set(days(root)[:-keep]) - {today}:
        shutil.rmtree(old)
    count = sum(map(len, saved.values()))
    return Saved(today, count, before.fetched, before.fetched_bytes)


def _continue(root: Path, today: Path) -> None:
    """Make the last unfinished backup that of today, and remove the other ones, and replaced ones."""
    for partial in sorted(root.glob(f"{HIDDEN_DAY}.partial"), reverse=True):
        if not unfinished(today).exists():
            partial.rename(unfinished(today))
        elif partial.name != unfinished(today).name:
            shutil.rmtree(partial)
    for old in root.glob(f"{HIDDEN_DAY}.old"):
        shutil.rmtree(old)


def days(root: Path) -> list[Path]:
    """Return the whole backups of a folder, the oldest first."""
    return sorted(path.parent for path in root.glob(f"*/{MANIFEST}") if DAY.fullmatch(path.parent.name))


def restore(folder: Path, buckets: Sequence[str]) -> int:
    """Put the objects of a backup back into the buckets, and return how many were not there as they should be.

    Objects that the backup does not know stay. Raises UserError if the backup does not have one of the buckets, and if
    a file of it is damaged; all that is whole is restored first.
    """
    manifest = _read(folder)
    if lacking := sorted(set(buckets) - manifest.buckets.keys()):
        known = ", ".join(sorted(manifest.buckets)) or "none"
        raise UserError(f"{folder}: has no bucket {lacking[0]} (its buckets: {known})")
    damaged = [name for name, sha256 in manifest.files.items() if not _is_whole(folder / name, sha256)]
    put = 0
    for bucket in buckets:
        present = {item.key: item for item in list_objects(bucket, "")}
        wanted = [one for one in manifest.buckets[bucket] if not _is_there(present.get(one.key), one, folder)]
        progress = Progress(f"restore {bucket}", len(wanted), "objects")
        for one in wanted:
            path = _place(folder, one.sha256)
            if _is_whole(path, one.sha256):
                upload_file(path, bucket, one.key, one.metadata)
                put += 1
            else:
                damaged.append(f"{SCHEME}{bucket}/{one.key}")
            progress.advance(1)
    if damaged:
        raise UserError(
            f"{folder}: {len(damaged)} damaged or missing, such as {damaged[0]}; the other objects are restored, take "
            "these from an earlier backup"
        )
    return put


class _Before:
    """The backup before, from which unchanged objects are taken, and the count of those that were fetched.

    An unfinished backup has a record of each object that it has fetched, which is taken, too.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder
        self.fetched = self.fetched_bytes = 0
        manifest = _read(folder) if folder else Manifest({}, {})
        self._known = {(bucket, one.key): one for bucket, objects in manifest.buckets.items() for one in objects}

    def take(self, item: StoredObject, folder: Path) -> SavedObject | None:
        """Give the file of an unchanged object a name in `folder`; return None if there is none, or a damaged one."""
        if fetched := _fetched(item, folder):
            return fetched
        known = self._known.get((item.bucket, item.key))
        if known is None or self.folder is None or not _is_there(item, known, self.folder):
            return None
        place = _place(self.folder, known.sha256)
        if not _is_whole(place, known.sha256):
            return None
        link(place, _place(folder, known.sha256))
        return replace(known, etag=item.etag)

    def fetch(self, item: StoredObject, folder: Path) -> SavedObject:
        """Fetch an object into `folder`."""
        with TemporaryDirectory(dir=folder / RECORDS) as temporary:
            copy = Path(temporary) / "copy"
            download(item, copy)
            sha256 = sha256_of_file(copy)
            place = _place(folder, sha256)
            place.parent.mkdir(parents=True, exist_ok=True)
            copy.rename(place)
        self.fetched += 1
        self.fetched_bytes += item.size_bytes
        saved = SavedObject(item.key, item.etag, item.size_bytes, sha256, metadata_of(item))
        write_json(_record(item, folder), asdict(saved))
        return saved


def _record(item: StoredObject, folder: Path) -> Path:
    return folder / RECORDS / f"{digest(asdict(item))}.json"


def _fetched(item: StoredObject, folder: Path) -> SavedObject | None:
    """Return what an unfinished backup has fetched of an object, or None if that is nothing, or damaged."""
    record = _record(item, folder)
    saved = parse(SavedObject, read_json(record), str(record)) if record.is_file() else None
    return saved if saved and _is_whole(_place(folder, saved.sha256), saved.sha256) else None


def _save_bucket(bucket: str, folder: Path, before: _Before) -> list[SavedObject]:
    return list(_saved(list_objects(bucket, ""), f"backup {bucket}", folder, before))


def _saved(items: Sequence[StoredObject], what: str, folder: Path, before: _Before) -> Iterator[SavedObject]:
    progress = Progress(what, len(items), "objects")
    for item in items:
        yield before.take(item, folder) or before.fetch(item, folder)
        progress.advance(1)


def _check_names(files: Sequence[Path]) -> None:
    names = [file.name for file in files]
    if missing := [file for file in files if not file.is_file()]:
        raise UserError(f"{missing[0]}: no such file")
    if len({MANIFEST, "objects", *names}) < len(names) + 2:
        raise UserError(f"{', '.join(names)}: names of files in a backup must differ, also from {MANIFEST} and objects")


def _read(folder: Path) -> Manifest:
    return parse(Manifest, read_json(folder / MANIFEST), str(folder / MANIFEST))


def _place(folder: Path, sha256: str) -> Path:
    return folder / "objects" / sha256[:2] / sha256


def _is_there(item: StoredObject | None, saved: SavedObject, folder: Path) -> bool:
    """Return whether an object is as it was saved. Its ETag may be another one if `restore` has uploaded it."""
    if item is None or item.size_bytes != saved.size_bytes:
        return False
    file = _place(folder, saved.sha256)
    return item.etag == saved.etag or (file.is_file() and item.etag == uploaded_etag(file))


def _is_whole(path: Path, sha256: str) -> bool:
    return path.is_file() and sha256_of_file(path) == sha256
