"""Checkpoints of old trainings, and unfinished results that nobody continued."""

from pathlib import Path

from ..core.errors import UserError
from ..core.leftovers import Leftover, old_files
from .checkpoints import FILE_NAME, LOCK

UNFINISHED = ".*.partial"
"""How files and folders are called until they are whole (`core/files.py` and `core/resumable.py`)."""


def old_work(folder: Path, older_than_days: float) -> list[Leftover]:
    """Return the folders of checkpoints and the unfinished results below `folder` that were not written for so long.

    Raises UserError if there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    checkpoints = {path.parent for name in (FILE_NAME, LOCK) for path in folder.rglob(name)} - {folder}
    unfinished = {path for path in folder.rglob(UNFINISHED) if not checkpoints & set(path.parents)}
    inner = {path for path in unfinished if unfinished & set(path.parents)}
    return [
        *old_files(checkpoints, older_than_days, "checkpoints"),
        *old_files(unfinished - inner, older_than_days, "unfinished"),
    ]
