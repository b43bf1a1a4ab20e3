"""What MLflow says of a pipeline that Kubeflow has run: how it ended, and how its steps did."""

import os
import subprocess
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from fabgan.components.core.errors import UserError
from fabgan.components.core.files import write_json
from fabgan.components.core.signals import Terminated
from fabgan.components.services.tracking import pipelines, runs
from fabgan.pipeline.pod import process, run
from tests.database import database_in

PARAMETERS = {"ingest": {"seed": 1}, "train": {"seed": 1}}


@dataclass
class Status:
    """What the backend tells the exit handler (dsl.PipelineTaskFinalStatus)."""

    state: str
    error_message: str = ""
    pipeline_task_name: str = "steps"


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> str:
    return database_in(tmp_path_factory.mktemp("mlflow"))


@pytest.fixture(autouse=True)
def launched(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> None:
    """Let Kubeflow have launched a run that is named after the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database)
    monkeypatch.setenv("FABGAN_RUN", request.node.name)


def step(name: str, end: BaseException | None = None) -> None:
    """Run a step that ends well, or by this exception."""
    with suppress(UserError, Terminated), runs.step_run(name, PARAMETERS, {}):
        if end:
            raise end


def killed_step(parameters: dict[str, dict[str, int]] = PARAMETERS) -> None:
    """Run a step in a process of its own, which is killed."""
    program = f"""
import os
from fabgan.components.services.tracking.runs import step_run
with step_run("train", {parameters}, {{}}):
    os.kill(os.getpid(), 9)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9


def recorded() -> tuple[Run, dict[str, Run]]:
    """Return the run of this test's pipeline, and those of its steps by their names."""
    client = MlflowClient()
    experiment = client.get_experiment_by_name(pipelines.EXPERIMENT)
    assert experiment is not None
    found = client.search_runs([experiment.experiment_id])
    (parent,) = (one for one in found if one.data.tags.get(pipelines.PIPELINE_TAG) == os.environ["FABGAN_RUN"])
    mine = [one for one in found if one.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len({one.info.run_name for one in mine}) == len(mine)
    return parent, {str(one.info.run_name): one for one in mine}


REGISTERED = {"model": "models:/bga-generator/3", "verdict": "candidate", "aliases": ["candidate", "champion"]}
REFUSED = {"model": "models:/bga-generator/4", "verdict": "refused", "aliases": []}


@pytest.mark.parametrize(
    ("state", "receipt", "outcome"),
    [
        ("COMPLETE", REGISTERED, "models:/bga-generator/3 candidate @candidate @champion"),
        ("SUCCEEDED", REGISTERED, "models:/bga-generator/3 candidate @candidate @champion"),
        ("RUNNING", REFUSED, "models:/bga-generator/4 refused"),
    ],
    ids=["success", "success of a local runner", "verdict of no"],
)
def test_a_pipeline_that_reached_its_end_is_finished(
    state: str, receipt: dict[str, object], outcome: str, tmp_path: Path
) -> None:
    """The states here and below are those that Kubeflow Pipelines 2.17 gave on a real cluster."""
    pipelines.record_pipeline(PARAMETERS)
    step("train")
    write_json(tmp_path / "receipt.json", receipt)
    process.record_published(tmp_path / "receipt.json")
    run.finish(Status(state))
    pipeline, steps = recorded()
    assert pipeline.info.status == "FINISHED"
    assert pipeline.data.tags[pipelines.OUTCOME_TAG] == outcome
    assert pipelines.FAILURE_TAG not in pipeline.data.tags
    assert steps["train"].info.status == "FINISHED"


def test_parameters_and_metrics_are_sent_together(monkeypatch: pytest.MonkeyPatch) -> None:
    for single in ("log_param", "log_metric"):
        monkeypatch.setattr(MlflowClient, single, lambda *_: 1 / 0)
    pipelines.record_pipeline(PARAMETERS)
    with runs.step_run("train", PARAMETERS, {}) as opened:
        opened.finish({"D": 0.5, "G": 2.0}, [], [])
    pipelines.record_cached({"ingest": {"frames": 24.0}})
    pipeline, steps = recorded()
    assert pipeline.data.params.items() >= {"train.seed": str(PARAMETERS["train"]["seed"])}.items()
    assert pipeline.data.metrics == {"train.D": 0.5, "train.G": 2.0, "ingest.frames": 24.0}
    assert (steps["train"].data.metrics["G"], steps["ingest"].data.metrics) == (2.0, {"frames": 24.0})


@pytest.mark.parametrize(
    ("status", "ends", "ended", "reasons"),
    [
        (Status("FAILED", "exit 1"), [UserError("train.seed: no")], "FAILED", "steps: exit 1; train: train.seed: no"),
        (Status("RUNNING"), [UserError("train.seed: no")], "FAILED", "train: train.seed: no"),
        (Status("RUNNING"), [], "FAILED", pipelines.UNFINISHED),
        (Status("RUNNING"), [Terminated()], "KILLED", "train: killed"),
        (Status("CANCELED"), [Terminated()], "KILLED", "train: killed"),
        (Status("CANCELED"), [], "KILLED", "terminated"),
    ],
    ids=["failed step", "failed step in a loop", "failed driver", "terminated", "cancelled", "cancelled between steps"],
)
def test_a_pipeline_that_did_not_reach_its_end_says_why(
    status: Status, ends: Sequence[BaseException], ended: str, reasons: str
) -> None:
    pipelines.record_pipeline(PARAMETERS)
    step("ingest")
    for end in ends:
        step("train", end)
    run.finish(status)
    pipeline, steps = recorded()
    assert (pipeline.info.status, pipeline.data.tags[pipelines.FAILURE_TAG]) == (ended, reasons)
    assert steps["ingest"].info.status == "FINISHED"
    assert "RUNNING" not in {one.info.status for one in steps.values()}


def test_a_failure_after_the_outcome_counts() -> None:
    pipelines.record_outcome("the generator is registered")
    run.finish(Status("FAILED"))
    assert recorded()[0].info.status == "FAILED"


@pytest.mark.parametrize(("state", "ended"), [("FAILED", "FAILED"), ("RUNNING", "KILLED")])
def test_the_run_of_a_killed_step_is_not_left_running(state: str, ended: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when the whole container is killed. `finish` runs in another pod, and cannot know the process."""
    pipelines.record_pipeline(PARAMETERS)
    killed_step()
    monkeypatch.setattr(pipelines, "is_gone", lambda process: False)
    assert recorded()[1]["train"].info.status == "RUNNING"
    run.finish(Status(state))
    pipeline, steps = recorded()
    assert (pipeline.info.status, steps["train"].info.status) == (ended, "KILLED")
    assert f"train: {pipelines.LEFT}" in pipeline.data.tags[pipelines.FAILURE_TAG]


def test_a_killed_step_that_is_started_again_goes_on_with_its_run() -> None:
    killed_step()
    before = recorded()[1]["train"].info.run_id
    step("train", UserError("another mistake"))
    step("train")
    after = recorded()[1]["train"]
    assert (after.info.run_id, after.info.status) == (before, "FINISHED")
    assert pipelines.FAILURE_TAG not in after.data.tags


def test_a_process_that_is_stopped_while_it_fails_leaves_its_run_failed() -> None:
    """As torchrun stops all processes when one has died: the others fail at that moment, and end their run."""
    program = f"""
import signal
from fabgan.components.services.tracking import runs
from fabgan.components.train.processes import end_with_torchrun
close = runs.StepRun.close
def close_while_stopped(*arguments):
    signal.raise_signal(signal.SIGTERM)
    close(*arguments)
    signal.raise_signal(signal.SIGTERM)
runs.StepRun.close = close_while_stopped
end_with_torchrun()
with runs.step_run("train", {PARAMETERS}, {{}}):
    raise RuntimeError("connection closed by peer")
"""
    ended = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True, text=True)
    assert ended.stderr.endswith("RuntimeError: connection closed by peer\n"), ended.stderr
    before = recorded()[1]["train"]
    assert before.info.status == "FAILED"
    step("train")
    after = recorded()[1]["train"]
    assert (after.info.run_id, after.info.status) == (before.info.run_id, "FINISHED")


def test_the_next_run_ends_what_a_killed_process_of_this_computer_left(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a launcher nothing else would: nobody starts that very step again."""
    killed_step()
    left, steps = recorded()
    assert (left.info.status, steps["train"].info.status) == ("RUNNING", "RUNNING")
    with monkeypatch.context() as without_launcher:
        without_launcher.delenv("FABGAN_RUN")
        step("ingest")
    left, steps = recorded()
    assert (left.info.status, steps["train"].info.status) == ("KILLED", "KILLED")


def test_the_next_run_ends_a_pipeline_that_was_killed_after_its_step_had_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """Or whose end MLflow did not take."""
    program = """
import os
from fabgan.components.services.tracking.pipelines import parent_run
from fabgan.components.services.tracking.store import connect
connect()
with parent_run({"train": {"seed": 9}}):
    os.kill(os.getpid(), 9)
"""
    monkeypatch.delenv("FABGAN_RUN")
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    step("ingest")
    client = MlflowClient()
    experiment = client.get_experiment_by_name(pipelines.EXPERIMENT)
    assert experiment is not None
    (left,) = client.search_runs([experiment.experiment_id], "params.`train.seed` = '9'")
    assert (left.info.status, left.data.tags[pipelines.FAILURE_TAG]) == ("KILLED", pipelines.LEFT)


def test_a_pipeline_in_which_a_step_is_at_work_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a sweep: one training of two is killed."""
    monkeypatch.setenv(runs.TRAINING, '{"seed": 2}')
    killed_step()
    monkeypatch.setenv(runs.TRAINING, '{"seed": 1}')
    with runs.step_run("train", PARAMETERS, {}):
        pipeline, steps = recorded()
    assert pipeline.info.status == "RUNNING"
    assert {name: one.info.status for name, one in steps.items()} == {
        "train seed=1": "RUNNING",
        "train seed=2": "KILLED",
    }


def test_a_step_from_the_cache_is_recorded_with_its_figures() -> None:
    """Once, however often a step that follows is started; and not if the step itself was at work in this run."""
    step("train")
    for _ in range(2):
        pipelines.record_cached({"ingest": {"images": 24.0}, "train": {"images": 800.0}})
    pipeline, steps = recorded()
    assert (steps["ingest"].info.status, steps["ingest"].data.metrics) == ("FINISHED", {"images": 24.0})
    assert [name for name, one in steps.items() if pipelines.CACHED_TAG in one.data.tags] == ["ingest"]
    assert pipeline.data.metrics == {"ingest.images": 24.0}


def test_without_a_launcher_there_is_no_run_for_what_steps_have_in_common(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a pipeline of others that names no run: theirs would all meet in one that is nobody's."""
    step("train")
    before = MlflowClient().search_runs(experiments())
    monkeypatch.delenv("FABGAN_RUN")
    pipelines.record_cached({"ingest": {"images": 24.0}})
    pipelines.record_outcome("the generator is registered")
    assert len(MlflowClient().search_runs(experiments())) == len(before)


def experiments() -> list[str]:
    return [one.experiment_id for one in MlflowClient().search_experiments()]


def test_the_outcome_goes_to_the_run_that_the_launcher_opened(monkeypatch: pytest.MonkeyPatch) -> None:
    """A launcher may set MLFLOW_RUN_ID alone; the step's run is opened first, and then the outcome is recorded."""
    pipelines.record_pipeline(PARAMETERS)
    launched, _ = recorded()
    with monkeypatch.context() as by_kubeflow:
        by_kubeflow.delenv("FABGAN_RUN")
        by_kubeflow.setenv("MLFLOW_RUN_ID", launched.info.run_id)
        step("train")
        pipelines.record_outcome("the generator is registered")
    pipeline, steps = recorded()
    assert pipeline.data.tags[pipelines.OUTCOME_TAG] == "the generator is registered"
    assert list(steps) == ["train"]


def test_steps_meet_in_one_run_although_kubeflow_gives_each_pod_a_run_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its MLflow plugin sets MLFLOW_RUN_ID to the run of the pod's task, which fabgan leaves alone."""
    pipelines.record_pipeline(PARAMETERS)
    client, ours = MlflowClient(), recorded()[0]
    for name in ("ingest", "train"):
        of_task = client.create_run(client.create_experiment(f"by Kubeflow: {name}"))
        with monkeypatch.context() as pod:
            pod.setenv("MLFLOW_RUN_ID", of_task.info.run_id)
            step(name)
            assert os.environ["MLFLOW_RUN_ID"] == of_task.info.run_id
        assert client.get_run(of_task.info.run_id).info.status == "RUNNING"
        assert client.get_run(of_task.info.run_id).data.params == {}
    pipeline, steps = recorded()
    assert pipeline.info.run_id == ours.info.run_id
    assert sorted(steps) == ["ingest", "train"]
