"""The SQLite file in which mlflow records a project that uses no server, and the artifacts in `mlruns` beside it."""

import os
import sqlite3
from contextlib import AbstractContextManager, closing, nullcontext, suppress
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from ...core.log import logger
from ...core.signals import undisturbed

ARTIFACTS = "mlruns"
DVC = ".dvc"
DVC_EXPERIMENTS = Path(DVC, "tmp", "exps")
"""Below this folder of a project, `dvc exp run --temp` and `--queue` run in copies of it, which DVC deletes."""
SQLITE = "sqlite:///"
DEFAULT_URI = f"{SQLITE}mlflow.db"
PLACES = {
    "experiments": ["artifact_location"],
    "runs": ["artifact_uri"],
    "model_versions": ["source", "storage_location"],
}
"""Columns by table in which mlflow keeps absolute paths below `ARTIFACTS`."""


def in_project(path: Path) -> Path:
    """Return an absolute path: that in the project, for one in the copy of it where DVC runs an experiment."""
    here, path = Path.cwd(), path.absolute()
    copy = next((folder for folder in (here, *here.parents) if (folder / DVC).is_dir()), here)
    for project in copy.parents:
        if copy.is_relative_to(project / DVC_EXPERIMENTS) and path.is_relative_to(copy):
            return project / path.relative_to(copy)
    return path


def project_uri(uri: str) -> str:
    """Return an address whose SQLite file, if it is one, lies in the project, even where DVC runs in a copy of it."""
    database = database_of(uri)
    if not database or in_project(database) == database:
        return uri
    place = str(in_project(database))
    if set(place) & set("%?"):  # in an address these mean something else, and mlflow would take an escaped one as it is
        place = os.path.relpath(place)
    return SQLITE + "".join([place, *uri.partition("?")[1:]])


def database_of(uri: str) -> Path | None:
    """Return the SQLite file of an address, or None for another sort of address, also one that SQLite itself reads."""
    if not uri.startswith(SQLITE) or uri.removeprefix(SQLITE).startswith((":memory:", "file:")):
        return None
    path = unquote(uri.removeprefix(SQLITE).partition("?")[0])
    return Path(os.path.normpath(Path(path).absolute()))


def make_database(uri: str) -> None:
    """Make the tables of a new database under another name: mlflow cannot go on with those that a kill left half-made.

    What an earlier attempt left under that name is removed, with its journal, which would be applied to the new file.
    """
    from mlflow.db import upgrade

    path, mark, options = uri.partition("?")
    address = f"{path}.partial{mark}{options}"
    database, partial = database_of(uri), database_of(address)
    if database is None or partial is None or (database.exists() and database.stat().st_size):
        return
    for leftover in (partial, partial.with_name(f"{partial.name}-journal")):
        leftover.unlink(missing_ok=True)
    partial.touch()  # where mlflow cannot make a file, it tries for minutes
    upgrade.callback(address)
    partial.replace(database.resolve())


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
            client.create_experiment(name, _as_uri(database.parent / ARTIFACTS / name))
    mlflow.set_experiment(name)


def follow(database: Path) -> None:
    """Follow a database whose folder was moved or copied: mlflow keeps absolute paths in it.

    New artifacts come to lie beside it. Those of a version are looked for where they were if they were left behind, and
    so are those of a run that still lie there.
    """
    if not database.is_file():
        return
    here = _as_uri(database.parent / ARTIFACTS)
    with closing(sqlite3.connect(database)) as records, records:
        present = {name for (name,) in records.execute("SELECT name FROM sqlite_master")}
        left = {table: _move(records, table, here) for table in PLACES if table in present}
    for before in sorted(left.get("runs", set()) | left.get("model_versions", set())):
        logger("mlflow").info("artifacts that were in %s are now looked for in %s", unquote(before), unquote(here))


def _move(records: sqlite3.Connection, table: str, here: str) -> set[str]:
    """Let the places in a table lie in the folder `here`; return the folders in which they were."""
    left = set()
    for column in PLACES[table]:
        for row, place in records.execute(f"SELECT rowid, {column} FROM {table}").fetchall():  # noqa: S608
            before, _, rest = (place or "").rpartition(f"/{ARTIFACTS}/")
            moved = f"{here}/{rest}"
            is_behind = _stays(table, unquote(place or "")) and not Path(unquote(moved)).is_dir()
            if before.startswith("/") and moved != place and not is_behind:
                records.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (moved, row))  # noqa: S608
                left.add(f"{before}/{ARTIFACTS}")
    return left


def _stays(table: str, place: str) -> bool:
    """Return whether a place stays as it is unless its files are here. New runs of an experiment come here anyway."""
    return table == "model_versions" or (table == "runs" and Path(place).is_dir())


def _as_uri(path: Path) -> str:
    """Return a path as mlflow reads it: with `%` escaped."""
    return str(path).replace("%", "%25")
