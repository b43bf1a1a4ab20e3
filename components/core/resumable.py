"""Work on many items, in parallel on all cores, that resumes when it is started again.

The unfinished folder keeps one record per finished item. Only work with the same fingerprint resumes from it.
"""

import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from .cores import usable_cores
from .errors import UserError
from .files import check_replaceable, read_json, replace_folder, write_json
from .progress import Progress

Item = TypeVar("Item")
Record = dict[str, Any]
RECORDS = ".records"


@contextmanager
def resumable_folder(path: Path, fingerprint: str, marker: str) -> Iterator[Path]:
    """Yield the folder to fill. It replaces `path` if the block succeeds, and is kept for resuming on failure.

    Raises UserError as `check_replaceable` does.
    """
    check_replaceable(path, marker)
    partial = path.with_name(f".{path.name}.partial")
    record = partial / RECORDS / "fingerprint.json"
    if not record.is_file() or read_json(record) != fingerprint:
        shutil.rmtree(partial, ignore_errors=True)
        write_json(record, fingerprint)
    yield partial
    shutil.rmtree(partial / RECORDS)
    replace_folder(partial, path)


def map_resumably(
    what: str, work: Callable[[Item, Path], Record], items: Sequence[tuple[str, Item]], folder: Path
) -> list[Record]:
    """Return `work(item, folder)` for every (key, item), in order. Items with a record are not done again.

    `work` runs in other processes, so it and the items must be picklable. Its record must be JSON-like.
    """
    waiting = [(key, item) for key, item in items if not _record_file(folder, key).is_file()]
    progress = Progress(what, len(items), "images", done=len(items) - len(waiting))
    with ProcessPoolExecutor(max_workers=usable_cores()) as pool:
        running = [pool.submit(_work_and_record, work, key, item, folder) for key, item in waiting]
        try:
            for finished in as_completed(running):
                finished.result()
                progress.advance(1)
        except BrokenProcessPool as error:
            raise UserError(
                f"{what}: a worker process was killed (out of memory?); run the same command again to resume"
            ) from error
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return [read_json(_record_file(folder, key)) for key, _ in items]


def _record_file(folder: Path, key: str) -> Path:
    return folder / RECORDS / f"{key}.json"


def _work_and_record(work: Callable[[Item, Path], Record], key: str, item: Item, folder: Path) -> None:
    write_json(_record_file(folder, key), work(item, folder))
