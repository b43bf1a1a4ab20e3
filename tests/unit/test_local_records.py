"""Where a project without a server has its records, after it was moved or copied, and in DVC's copies of it."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
from contextlib import closing, suppress
from pathlib import Path

import mlflow
import pytest
from sqlalchemy import make_url

from fabgan.components.core.errors import UserError
from fabgan.components.core.parameters import parse
from fabgan.components.publish.parameters import PublishParameters
from fabgan.components.services.tracking.local import DEFAULT_URI, database_of, in_project, project_uri
from fabgan.components.services.tracking.registry import Registry
from fabgan.components.services.tracking.runs import step_run
from fabgan.components.services.tracking.store import connect
from tests.conftest import ROOT
from tests.database import database_in

KILLED = """
import os, signal, threading
from pathlib import Path
from fabgan.components.services.tracking.store import connect

def kill():
    files = Path("mlflow.db"), Path("mlflow.db.partial")
    while not any(file.exists() and file.stat().st_size > 300_000 for file in files):
        pass
    os.kill(os.getpid(), signal.SIGKILL)

threading.Thread(target=kill, daemon=True).start()
connect()
"""
"""A first command that is killed while mlflow makes the tables, which take a megabyte."""


def work_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database_in(folder).replace("%", "%25"))


def record(page: str, fails: bool = False) -> None:
    """Run a step that records a page, and perhaps fails then."""
    with suppress(ZeroDivisionError), step_run("ingest", {"ingest": {"page": page}}, {}) as run:
        run.mlflow.log_text("x", page)
        if fails:
            raise ZeroDivisionError


def register(folder: Path, name: str = "bga-generator") -> None:
    (folder / "generator").mkdir()
    (folder / "generator" / "card").write_text("x")
    registry = Registry()
    registry.create_model(name)
    with mlflow.start_run():
        registry.register(name, folder / "generator", {})


def pulled(folder: Path, name: str = "bga-generator") -> list[str]:
    """Return the names of the files of the registered version."""
    registry = Registry()
    registry.pull(registry.resolve(f"models:/{name}/1"), folder)
    return [path.name for path in folder.iterdir()]


def pages_in(folder: Path) -> set[str]:
    return {path.name for path in (folder / "mlruns").rglob("*.html")}


def test_a_project_that_was_moved_after_a_failure_leaves_nothing_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, here = tmp_path / "before", tmp_path / "here"
    work_in(before, monkeypatch)
    record("first.html", fails=True)
    shutil.rmtree(before / "mlruns")
    before.rename(here)
    work_in(here, monkeypatch)
    record("second.html")
    assert pages_in(here) == {"second.html"}
    assert not before.exists()
    runs = mlflow.search_runs(search_all_experiments=True, output_format="list")
    assert len(runs) == 4
    assert all(run.info.artifact_uri.startswith(f"{here}/mlruns/") for run in runs)


def test_a_copy_of_the_database_alone_records_beside_it_and_finds_versions_where_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, here = tmp_path / "before", tmp_path / "here"
    work_in(before, monkeypatch)
    record("first.html")
    register(before)
    here.mkdir()
    shutil.copyfile(before / "mlflow.db", here / "mlflow.db")
    work_in(here, monkeypatch)
    record("second.html")
    assert (pages_in(before), pages_in(here)) == ({"first.html"}, {"second.html"})
    assert pulled(tmp_path / "first") == ["card"]

    before.rename(tmp_path / "away")
    with pytest.raises(UserError, match=rf"its files are not in {before}/mlruns/.*put its folder mlruns beside"):
        pulled(tmp_path / "second")
    shutil.copytree(tmp_path / "away" / "mlruns", here / "mlruns", dirs_exist_ok=True)
    assert pulled(tmp_path / "third") == ["card"]


def test_a_folder_with_a_percent_sign_keeps_its_own_artifacts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, here = tmp_path / "per%20cent", tmp_path / "per%41"
    work_in(before, monkeypatch)
    record("first.html")
    assert pages_in(before) == {"first.html"}
    before.rename(here)
    work_in(here, monkeypatch)
    record("second.html")
    assert pages_in(here) == {"first.html", "second.html"}


@pytest.mark.parametrize("name", ['it\'s "x"', ":colon"])
def test_a_folder_in_which_mlflow_can_make_no_database_is_refused(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    with pytest.raises(UserError, match="MLflow makes no database in a folder whose path has both sorts of quotes"):
        connect()
    assert list((tmp_path / name).iterdir()) == []


@pytest.mark.parametrize("name", ["it's", "a:colon"])
def test_a_database_is_made_in_a_folder_with_a_quote_or_a_colon(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / name)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / name}/mlflow.db")
    record("page.html")
    assert pages_in(tmp_path / name) == {"page.html"}


@pytest.mark.parametrize("name", ["project", "que?stion", "per%20cent"])
@pytest.mark.parametrize("dvc_root", ["", "sub"], ids=["git's root", "a folder of git"])
def test_what_lies_in_a_copy_of_dvc_lies_in_the_project(
    name: str, dvc_root: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / name / dvc_root
    copy = root / ".dvc" / "tmp" / "exps" / "standalone" / "tmp123"
    (copy / dvc_root / ".dvc").mkdir(parents=True)
    (copy / dvc_root / "below").mkdir()
    monkeypatch.chdir(copy / dvc_root / "below")
    assert in_project(Path("checkpoints/1")) == root / "below" / "checkpoints" / "1"
    uri = project_uri(DEFAULT_URI)
    assert project_uri(uri) == uri
    assert Path(str(make_url(uri).database)).resolve() == database_of(uri) == root / "below" / "mlflow.db"
    assert project_uri(f"{DEFAULT_URI}?timeout=5") == f"{uri}?timeout=5"
    for other in (f"sqlite:///{tmp_path}/mlflow.db", "https://mlflow.fab.local"):
        assert project_uri(other) == other


def test_a_project_itself_has_its_own_database(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".dvc" / "tmp" / "exps").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert project_uri(DEFAULT_URI) == DEFAULT_URI


def test_a_relative_address_names_the_file_of_the_project_in_a_copy_of_dvc_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / ".dvc" / "tmp" / "exps" / "tmp123"
    (copy / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(copy)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///records.db")
    database_in(tmp_path)
    (tmp_path / "mlflow.db").rename(tmp_path / "records.db")
    record("page.html")
    assert pages_in(tmp_path) == {"page.html"}
    assert [path.name for path in copy.iterdir()] == [".dvc"]


def test_a_first_command_that_is_killed_leaves_no_half_made_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    killed = [sys.executable, "-c", KILLED]
    assert subprocess.run(killed, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=False).returncode == -signal.SIGKILL
    assert not (tmp_path / "mlflow.db").exists()
    partial = tmp_path / "mlflow.db.partial"
    assert partial.stat().st_size > 0
    partial.with_name(f"{partial.name}-journal").write_bytes(b"half")
    record("page.html")
    assert {path.name for path in tmp_path.iterdir()} - {"mlruns"} == {"mlflow.db", "mlflow.db.lock"}


@pytest.mark.parametrize("name", ["it's", 'a"b', "a?b", "a@b", "a:b", "a\nb", "a\tb", "..", " "])
def test_a_name_that_could_not_be_pulled_is_neither_published_nor_asked_for(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    work_in(tmp_path, monkeypatch)
    with pytest.raises(UserError, match=r"^tests: publish: model_name: expected a name, .* without / : @ \?"):
        parse(PublishParameters, {"model_name": name}, "tests", "publish")
    for address in (f"models:/{name}/1", f"models:/{name}@champion"):
        with pytest.raises(UserError, match=r"expected models:/NAME@ALIAS or models:/NAME/NUMBER; NAME is a name, "):
            Registry().resolve(address)


@pytest.mark.parametrize("name", ["bga-generator", "BGA 12x12 (µ), v1.2", ".hidden", "a%20b#c"])
def test_other_names_are_published_and_pulled(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    work_in(tmp_path, monkeypatch)
    record("first.html")
    register(tmp_path, parse(PublishParameters, {"model_name": name}, "tests").model_name)
    assert pulled(tmp_path / "pulled", name) == ["card"]


def test_an_address_that_is_set_to_nothing_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    database_in(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "")
    assert connect() == DEFAULT_URI


def test_a_database_that_cannot_be_written_is_told_in_a_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    work_in(tmp_path, monkeypatch)
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as records:
        records.execute("CREATE TRIGGER refused BEFORE INSERT ON runs BEGIN SELECT no_such_function(); END")
        records.commit()
    failed = pytest.raises(UserError, match=r"^ingest: MLflow at .* failed: .*no_such_function.*; fix this[^\n]*$")
    with failed, step_run("ingest", {"ingest": {}}, {}):
        pass
    assert "Traceback" not in capfd.readouterr().err


def test_a_folder_that_takes_no_database_is_told_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")

    def refused(file: Path) -> None:
        raise PermissionError(13, "Permission denied", str(file))

    monkeypatch.setattr(Path, "touch", refused)
    with pytest.raises(UserError, match=r"mlflow.db cannot be used: .*Permission denied: .*mlflow.db.partial'; see"):
        connect()


@pytest.mark.parametrize("address", ["sqlite:///:memory:", "sqlite:///file:mlflow.db?uri=true"])
def test_what_sqlite_itself_reads_names_no_file(address: str) -> None:
    assert database_of(address) is None
