"""Work that only one process at a time may do."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import UserError

TRIES, WAIT_S = 20, 0.1


@contextmanager
def alone(folder: Path, busy: str, file: str = "") -> Iterator[None]:
    """Lock a folder, which is made if it is missing, while the block runs, or else a `file` in it.

    The lock of a folder holds on this computer. That of a file also holds on others, if their network file system has
    locks. Workers of a process that was killed end a moment after it. Raises UserError, which says `busy`, if another
    process stays.
    """
    handle = _locked(folder, file, busy)
    try:
        yield
    finally:
        os.close(handle)


def _locked(folder: Path, file: str, busy: str) -> int:
    """Return the handle of a folder or file that is locked while the handle is open.

    Raises UserError, which says `busy`, if another process stays, or for a link to nothing, and OSError for a folder
    that cannot be made.
    """
    if folder.is_symlink() and not folder.exists():
        raise UserError(f"{folder}: is a link to {folder.readlink()}, which is not there; make it, or remove the link")
    path, mode = folder / file, os.O_RDWR | os.O_CREAT if file else os.O_RDONLY
    failure: OSError | None = None
    for _ in range(TRIES):
        try:
            folder.mkdir(parents=True, exist_ok=True)
            handle, failure = os.open(path, mode, 0o666), None
        except (FileExistsError, FileNotFoundError) as error:  # the other process may just have given it another name
            failure = error
        else:
            if _is_locked(handle, path):
                return handle
            os.close(handle)
        time.sleep(WAIT_S)
    raise failure or UserError(busy)


def _is_locked(handle: int, path: Path) -> bool:
    """Lock what is open; return whether that was possible, and it still has its name."""
    with suppress(OSError):  # of a file system without locks
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return path.exists() and os.path.samestat(os.fstat(handle), path.stat())
