"""Rules of Kubeflow's real backend that its local runners do not check, held against the compiled pipelines."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from kfp import dsl
from kfp.compiler import Compiler

from fabgan.components.services.tracking import runs
from fabgan.pipeline.commands.compile import PIPELINES, compile_pipelines
from fabgan.pipeline.pod import run
from tests.conftest import ROOT

LOOP_ITEMS = {"STRING", "NUMBER_DOUBLE", "NUMBER_INTEGER", "BOOLEAN"}
"""Types that a component may declare for the item of a loop. The driver hands an item on as a string of JSON and
refuses a component that declares STRUCT or LIST (kubeflow/pipelines issues 12191, 9366)."""


@pytest.fixture(scope="module")
def compiled(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("compiled") / "pipelines"
    compile_pipelines("fabgan:1", ROOT / "params.yaml", folder)
    return {name: next(yaml.safe_load_all((folder / f"{name}.yaml").read_text())) for name in PIPELINES}


def loop_inputs(spec: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield every component input that the item of a loop is given to, with its declared type."""
    groups = {"root": spec["root"], **spec["components"]}
    for group in groups.values():
        for task in group.get("dag", {}).get("tasks", {}).values():
            component = spec["components"][task["componentRef"]["name"]]
            for name, given in task.get("inputs", {}).get("parameters", {}).items():
                if "loop-item" in given.get("componentInputParameter", "") and "dag" not in component:
                    yield name, component["inputDefinitions"]["parameters"][name]["parameterType"]


@pytest.mark.parametrize(("name", "inputs"), [("sweep", 2), ("augmentation", 1)])
def test_the_items_of_loops_have_types_that_the_driver_hands_on(
    compiled: dict[str, dict[str, Any]], name: str, inputs: int
) -> None:
    found = list(loop_inputs(compiled[name]))
    assert len(found) == inputs
    assert {declared for _, declared in found} <= LOOP_ITEMS


def test_the_rule_of_loops_refuses_a_mapping(tmp_path: Path) -> None:
    @dsl.component(base_image="image:1")  # type: ignore[untyped-decorator]
    def takes(item: dict) -> None:  # type: ignore[type-arg]
        pass

    @dsl.pipeline(name="looping")  # type: ignore[untyped-decorator]
    def looping() -> None:
        with dsl.ParallelFor([{"a": 1}]) as item:
            takes(item=item)

    Compiler().compile(looping, str(tmp_path / "looping.yaml"))
    spec = yaml.safe_load((tmp_path / "looping.yaml").read_text())
    assert [declared for _, declared in loop_inputs(spec)] == ["STRUCT"]


@dataclass
class Status:
    """What the backend tells the exit handler (dsl.PipelineTaskFinalStatus)."""

    state: str
    error_message: str = ""
    pipeline_task_name: str = "steps"


@pytest.mark.parametrize(
    ("status", "outcome", "ended"),
    [
        (Status("COMPLETE"), "the generator is registered", "FINISHED"),
        (Status("SUCCEEDED"), "the generator is registered", "FINISHED"),
        (Status("RUNNING"), "the generator is registered", "FINISHED"),
        (Status("RUNNING"), "", "FAILED"),
        (Status("FAILED", "train: out of memory"), "", "FAILED"),
        (Status("FAILED"), "the generator is registered", "FAILED"),
        (Status("CANCELED"), "", "FAILED"),
    ],
    ids=["success", "local success", "last step done", "failed driver", "failed step", "late failure", "terminated"],
)
def test_a_run_in_mlflow_ends_as_its_steps_did(
    status: Status, outcome: str, ended: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The states are those that Kubeflow Pipelines 2.17 gave on a real cluster."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("FABGAN_RUN", "one")
    runs.record_pipeline({"train": {"seed": 1}})
    if outcome:
        run.record(outcome)
    run.finish(status)
    from mlflow import MlflowClient

    client = MlflowClient()
    (found,) = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert found.info.status == ended
    assert (runs.FAILURE_TAG in found.data.tags) == (ended == "FAILED")


def test_the_outcome_goes_to_the_run_that_the_launcher_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Kubeflow's own MLflow integration sets MLFLOW_RUN_ID; a pod opens its step's run first, and then records."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("FABGAN_RUN", "one")
    runs.record_pipeline({"train": {"seed": 1}})
    from mlflow import MlflowClient

    client = MlflowClient()
    experiments = [experiment.experiment_id for experiment in client.search_experiments()]
    (launched,) = client.search_runs(experiments)
    monkeypatch.delenv("FABGAN_RUN")
    monkeypatch.setenv("MLFLOW_RUN_ID", launched.info.run_id)
    with runs.step_run("train", {"train": {"seed": 1}}, {}):
        pass
    run.record("the generator is registered")
    assert client.get_run(launched.info.run_id).data.tags[runs.OUTCOME_TAG] == "the generator is registered"
    assert len(client.search_runs(experiments)) == 2


def test_files_of_a_pod_are_not_for_everyone_to_write(tmp_path: Path) -> None:
    """Kubeflow's launcher starts processes with umask 0."""
    before = os.umask(0)
    try:
        run.report_user_errors(lambda: (tmp_path / "file").write_text(""))()
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644
