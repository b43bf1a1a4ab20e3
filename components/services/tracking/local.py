"""The SQLite file in which mlflow records a project that uses no server, and the artifacts in `mlruns` beside it."""

import os
import sqlite3
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from pathlib import Path
from typing import Any

from ...core.log import logger
from ...core.signals import undisturbed

DATABASE = "mlflow.db"
ARTIFACTS = "mlruns"
DVC_EXPERIMENTS = (".dvc", "tmp", "exps")
"""Below this folder of a project, `dvc exp run --temp` and `--queue` run in copies of it, which DVC deletes."""
SQLITE = "sqlite:///"
PLACES = {
    "experiments": ["artifact_location"],
    "runs": ["artifact_uri"],
    "model_versions": ["source", "storage_location"],
}
"""Columns by table in which mlflow keeps absolute paths below `ARTIFACTS`."""


def default_uri() -> str:
    """Return the address of the project's database: in the working folder, or where DVC has copied that from."""
    folder = Path.cwd()
    for at in range(len(folder.parts) - len(DVC_EXPERIMENTS)):
        if folder.parts[at : at + len(DVC_EXPERIMENTS)] == DVC_EXPERIMENTS:
            return f"{SQLITE}{Path(*folder.parts[:at]) / DATABASE}"
    return f"{SQLITE}{DATABASE}"


def database_of(uri: str) -> Path | None:
    """Return the SQLite file of an address, or None for another sort of address."""
    return Path(uri.removeprefix(SQLITE)).absolute() if uri.startswith(SQLITE) else None


def written_whole() -> AbstractContextManager[None]:
    """Let signals wait until mlflow has written to a database: it would stay locked for the end of the run.

    A server keeps its own database, and may not answer for longer than a signal can wait.
    """
    return undisturbed(ending=False) if database_of(os.environ["MLFLOW_TRACKING_URI"]) else nullcontext()


def open_experiment(client: Any, name: str) -> None:
    """Make an experiment the active one. Its artifacts lie beside a database, wherever the step runs."""
    import mlflow

    database = database_of(os.environ["MLFLOW_TRACKING_URI"])
    if database and client.get_experiment_by_name(name) is None:
        with suppress(mlflow.MlflowException):  # another process was faster
            client.create_experiment(name, str(database.parent / ARTIFACTS / name))
    mlflow.set_experiment(name)


def follow(database: Path) -> None:
    """Look for artifacts beside a database whose folder was moved or copied: mlflow keeps absolute paths in it."""
    here = database.parent / ARTIFACTS
    if not database.is_file() or not here.is_dir():
        return
    with closing(sqlite3.connect(database)) as records, records:
        for before in _former_places(records, here):
            for table, columns in PLACES.items():
                for column in columns:
                    records.execute(
                        f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",  # noqa: S608
                        (str(here), len(before) + 1, len(before) + 1, f"{before}/"),
                    )
            logger("mlflow").info("artifacts that were in %s are now looked for in %s", before, here)


def _former_places(records: sqlite3.Connection, here: Path) -> list[str]:
    """Return other folders that are named as the place of artifacts which lie here."""
    tables = {name for (name,) in records.execute("SELECT name FROM sqlite_master")}
    named = records.execute("SELECT artifact_location FROM experiments") if "experiments" in tables else []
    places = [Path(place) for (place,) in named if place.startswith("/")]
    moved = {place.parent for place in places if place.parent.name == ARTIFACTS and (here / place.name).is_dir()}
    return sorted(str(place) for place in moved - {here})
