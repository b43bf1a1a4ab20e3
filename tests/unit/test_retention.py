"""What `gc` asks MLflow for, and what it says where that fails."""

from pathlib import Path

import pytest
from mlflow import MlflowClient
from requests import HTTPError

from fabgan.components.core.errors import UserError
from fabgan.components.services.tracking import pipelines, retention
from fabgan.components.services.tracking.promotion import DECISION
from fabgan.components.services.tracking.registry import Registry, Version
from tests.database import database_in


def test_the_aliases_of_a_model_are_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = list[str]()

    def aliases_of_model(_: Registry, name: str) -> dict[str, int]:
        asked.append(name)
        return {"champion": 2} if name == "one" else {}

    monkeypatch.setattr(Registry, "aliases_of_model", aliases_of_model)
    versions = [Version(name, number, {DECISION: "no"}) for name in ("one", "other") for number in range(1, 6)]
    found = retention._expendable(Registry.__new__(Registry), versions, keep=2)
    assert [(version.name, version.number) for version in found] == [
        ("one", 1),
        ("one", 3),
        ("other", 1),
        ("other", 2),
        ("other", 3),
    ]
    assert asked == ["one", "other"]


def test_files_that_cannot_be_listed_are_told_in_a_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database_in(tmp_path))
    pipelines.record_pipeline({"train": {"seed": 1}})

    def refused(*_: object) -> None:
        raise HTTPError("403 Client Error: Forbidden for url: http://mlflow.fab\n<html>\n</html>")

    monkeypatch.setattr(MlflowClient, "list_artifacts", refused)
    with pytest.raises(
        UserError, match=r"^the files of pipeline-.*: MLflow at .* failed: 403 [^\n]+; fix this and run"
    ):
        retention.old_pipelines(1e-9, keep=1)
