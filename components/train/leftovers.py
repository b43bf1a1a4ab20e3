"""Checkpoints of old trainings, and what other work left beside its results."""

from pathlib import Path

from ..core.errors import UserError
from ..core.leftovers import Leftover, old_files, old_results
from .checkpoints import FILE_NAME, LOCK


def old_work(folder: Path, older_than_days: float) -> list[Leftover]:
    """Return the folders of checkpoints below `folder` that were not written for so long, and `old_results`.

    Raises UserError if there is no such folder.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder")
    checkpoints = {path.parent for name in (FILE_NAME, LOCK) for path in folder.rglob(name)} - {folder}
    return [*old_files(checkpoints, older_than_days, "checkpoints"), *old_results(folder, older_than_days, checkpoints)]
