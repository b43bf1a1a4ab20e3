"""MLflow databases as new ones are, without the seconds in which mlflow makes each."""

import shutil
import sqlite3
from contextlib import closing
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock
from mlflow import MlflowClient

from tests.conftest import ROOT

NEW = ROOT / "build" / f"mlflow-{version('mlflow')}.db"
"""Has every table. The experiment that mlflow adds, with an absolute path, is left to the first who opens a copy."""


def database_in(folder: Path) -> str:
    """Return the address of a folder's database; if the folder has none, a new one is put there."""
    folder.mkdir(parents=True, exist_ok=True)
    database = folder / "mlflow.db"
    if not database.exists():
        NEW.parent.mkdir(exist_ok=True)
        with FileLock(NEW.with_suffix(".lock")):
            if not NEW.is_file():
                _make(NEW.with_suffix(".part"))
        shutil.copyfile(NEW, database)
    return f"sqlite:///{database}"


def _make(part: Path) -> None:
    part.unlink(missing_ok=True)
    MlflowClient(f"sqlite:///{part}").search_experiments()
    with closing(sqlite3.connect(part)) as records, records:
        records.execute("DELETE FROM experiments")
    part.rename(NEW)
