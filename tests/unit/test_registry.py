"""What is said of versions that the registry does not have, that cannot be fetched, or that hold something else."""

import sqlite3
from contextlib import closing
from pathlib import Path

import mlflow
import pytest
from mlflow.exceptions import MlflowException
from requests import HTTPError

from fabgan.components.artifacts.generator import load_card
from fabgan.components.core.errors import OtherVersionError, UserError
from fabgan.components.services.tracking.registry import Registry, model_folder
from tests.database import database_in

NAME = "bga-generator"
FIRST = f"models:/{NAME}/1"


@pytest.fixture
def registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The registry of a new database."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database_in(tmp_path))
    return Registry()


def register(registry: Registry, folder: Path, file: str = "model.pkl", content: str = "{}") -> None:
    """Register a folder with one file."""
    (folder / "model").mkdir()
    (folder / "model" / file).write_text(content)
    registry.create_model(NAME)
    with mlflow.start_run(experiment_id="0"):  # other tests may have left another active
        registry.register(NAME, folder / "model", {})


def test_a_failure_of_the_registry_is_told_in_a_line(registry: Registry, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "mlflow.db")) as records, records:
        records.execute("DROP TABLE model_versions")
    with pytest.raises(UserError, match=rf"^{FIRST}: MLflow at .* failed: [^\n]+; fix this and run"):
        registry.resolve(FIRST)


def test_a_model_without_versions_is_not_told_as_unknown(registry: Registry) -> None:
    registry.create_model(NAME)
    with pytest.raises(UserError, match=f"^models:/{NAME}@champion: the model has no versions in the registry at "):
        registry.resolve(f"models:/{NAME}@champion")
    with pytest.raises(UserError, match=rf"no such model in the registry at .* \(known models: {NAME}\)$"):
        registry.resolve("models:/nobody@champion")


def test_an_artifact_store_that_refuses_is_told_in_a_line(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: str) -> None:
        raise HTTPError("413 Client Error: Request Entity Too Large for url: http://mlflow.fab\n<html>\n</html>")

    monkeypatch.setattr(mlflow, "log_artifacts", refused)
    told = rf"^{NAME}: the files of .*/model: MLflow at .* failed: 413 Client Error: .* for url: [^\n]+; fix this and"
    with pytest.raises(UserError, match=told):
        register(registry, tmp_path)


@pytest.mark.parametrize("number", ["0", "01", "-1", "1.0"])
def test_a_version_has_a_number_as_mlflow_writes_it(registry: Registry, number: str) -> None:
    with pytest.raises(UserError, match="expected models:/NAME@ALIAS or models:/NAME/NUMBER"):
        registry.resolve(f"models:/{NAME}/{number}")


def test_the_first_reason_of_a_failed_download_is_told(
    registry: Registry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(registry, tmp_path)

    def full(**_: str) -> None:
        files = "\n".join(f"##### File {name} #####\n[Errno 28] No space left on device: '{name}'" for name in "ab")
        raise MlflowException(f"The following failures occurred while downloading from mlruns/1:\n{files}")

    monkeypatch.setattr(mlflow.artifacts, "download_artifacts", full)
    reason = r"from mlruns/1: \[Errno 28\] No space left on device: 'a'; free room there, or set TMPDIR to"
    with pytest.raises(UserError, match=f"^{FIRST}: the files cannot be fetched from MLflow at .*{reason}"):
        registry.pull(registry.resolve(FIRST), tmp_path / "copy")


def test_what_a_version_lacks_is_told_by_its_address(registry: Registry, tmp_path: Path) -> None:
    register(registry, tmp_path)
    missing = pytest.raises(UserError, match=f"^{FIRST}/generator.json: cannot be read: No such file or directory$")
    with missing, model_folder(FIRST) as folder:
        load_card(folder or tmp_path)


def test_an_error_about_a_version_stays_of_its_sort(registry: Registry, tmp_path: Path) -> None:
    """`publish` leaves a champion of another version of fabgan to people."""
    register(registry, tmp_path, "generator.json")
    version = registry.resolve(FIRST)
    of_another = pytest.raises(OtherVersionError, match=f"^{FIRST}/generator.json: not the card")
    with of_another, registry.pulled(version) as folder:
        load_card(folder)
