"""The check of a real cluster, as far as it runs without one.

It runs against Kubeflow's API in memory, MLflow's database, and a program that answers as kubectl would.
"""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from mlflow import MlflowClient

from fabgan.components.services.tracking import pipelines
from fabgan.pipeline.commands.compile import compile_pipelines
from fabgan.pipeline.commands.submit import Kubeflow
from tests.cluster import site as sites
from tests.cluster.__main__ import main
from tests.cluster.checks import ALWAYS, checks_of
from tests.cluster.kubectl import Kubectl
from tests.cluster.site import Site, steps_of
from tests.cluster.table import Row, run_checks, table
from tests.conftest import ROOT
from tests.database import database_in
from tests.fab_cluster import a_kubectl
from tests.servers.kubeflow import KubeflowServer, State

pytestmark = pytest.mark.integration
KUBECTL = """
from pathlib import Path
answers = json.loads(Path(__file__).with_name("answers.json").read_text())
verb = next(word for word in sys.argv[1:] if not word.startswith("--"))
if verb not in answers:
    sys.exit(f"{verb} is forbidden")
print(answers[verb])
"""
"""Answers by the verb; any other is refused."""


def test_one_failure_does_not_hide_the_others_and_every_check_has_a_line() -> None:
    def failing() -> str:
        raise RuntimeError("the pod\nis gone")

    said: list[str] = []
    rows = run_checks({"first": failing, "second": lambda: "seen"}, said.append)
    assert [(row.name, row.passed, row.words) for row in rows] == [
        ("first", False, "the pod is gone"),
        ("second", True, "seen"),
    ]
    assert said == ["first ...\n", "second ...\n"]


def test_the_table_shows_outcome_and_time() -> None:
    shown = table([Row("a deleted pod", False, 61.2, "it did not end"), Row("cache", True, 5, "")])
    assert shown.splitlines() == [
        "check          outcome  time  what was seen",
        "a deleted pod  FAILED   61 s  it did not end",
        "cache          ok       5 s",
    ]


@pytest.fixture(scope="module")
def executors(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("compiled") / "pipelines"
    compile_pipelines("fabgan:1", ROOT / "params.yaml", folder)
    spec = next(yaml.safe_load_all((folder / "training.yaml").read_text()))
    found: dict[str, Any] = spec["deploymentSpec"]["executors"]
    return found


def pod_of(executors: dict[str, Any], step: str, phase: str = "Succeeded") -> dict[str, Any]:
    """Return the pod of a step, as Kubeflow's driver makes it from the compiled pipeline."""
    container = executors[f"exec-{step.replace('_', '-')}"]["container"]
    main = {"name": "main", "command": ["/kfp-launcher", "--"], "args": [*container["command"], *container["args"]]}
    name = f"wf-retry-system-container-impl-{step}"
    return {"metadata": {"name": name}, "status": {"phase": phase}, "spec": {"containers": [{"name": "wait"}, main]}}


def driver_of(step: str) -> dict[str, Any]:
    return {"metadata": {"name": f"wf-system-container-driver-{step}"}, "spec": {"containers": []}}


def test_the_steps_of_a_run_are_read_from_its_pods(executors: dict[str, Any]) -> None:
    assert steps_of(pod_of(executors, step) for step in ("train", "crop_resize")) == ["crop_resize", "train"]


@pytest.fixture
def server() -> Iterator[KubeflowServer]:
    with KubeflowServer(State(run_states=["RUNNING", "SUCCEEDED"])) as running:
        yield running


@pytest.fixture
def site(server: KubeflowServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    monkeypatch.setattr(sites, "POLL_S", 0.01)
    monkeypatch.setenv("PATH", a_kubectl(tmp_path / "bin", KUBECTL))
    kubeflow = Kubeflow(server.url, "", None, None)
    params, deadline_s = ROOT / "params.yaml", time.monotonic() + 600
    return Site(Kubectl(tmp_path / "config"), kubeflow, "kubeflow", "fab/fabgan:1", params, deadline_s)


def answer(folder: Path, **answers: Any) -> None:
    """Let kubectl print a text, or a list of objects, for a verb."""
    texts = {verb: one if isinstance(one, str) else json.dumps({"items": one}) for verb, one in answers.items()}
    (folder / "bin" / "answers.json").write_text(json.dumps(texts))


def outcome(site: Site, mlflow: Any, *names: str) -> list[Row]:
    checks = checks_of(site, mlflow)
    return run_checks({name: checks[name] for name in names}, lambda _: None)


def test_what_runs_again_on_the_same_data_is_told_by_the_pods(
    site: Site, executors: dict[str, Any], tmp_path: Path
) -> None:
    answer(tmp_path, get=[*(pod_of(executors, step) for step in ALWAYS), driver_of("train")])
    training, cache = outcome(site, None, "training", "cache")
    assert training.passed, training.words
    assert cache.passed, cache.words
    assert cache.words == "only evaluate, finish, publish, settings ran"
    answer(tmp_path, get=[pod_of(executors, step) for step in (*ALWAYS, "train")])
    (again,) = outcome(site, None, "cache")
    assert not again.passed
    assert "pods ran evaluate, finish, publish, settings, train" in again.words


def test_a_run_that_fails_is_told_by_its_step(site: Site, server: KubeflowServer, tmp_path: Path) -> None:
    server.state.run_states = ["FAILED"]
    server.state.tasks = [{"display_name": "settings", "state": "FAILED", "pod_name": "wf-1"}]
    server.state.logs = {"wf-1": "fabgan: error: s3://fabgan-no-such-bucket/photographs: no such bucket"}
    answer(tmp_path)
    training, mistake = outcome(site, None, "training", "a mistake")
    assert not training.passed
    assert "ended as FAILED: settings: fabgan: error: s3://fabgan-no-such-bucket" in training.words
    assert mistake.passed, mistake.words


def test_a_pod_is_deleted_when_its_training_runs(site: Site, executors: dict[str, Any], tmp_path: Path) -> None:
    answer(tmp_path, get=[pod_of(executors, "ingest"), pod_of(executors, "train", "Running")], delete="deleted")
    (row,) = outcome(site, None, "a deleted pod")
    assert row.words == "wf-retry-system-container-impl-train was deleted, and the run succeeded"
    answer(tmp_path, get=[pod_of(executors, "train", "Running")])
    (refused,) = outcome(site, None, "a deleted pod")
    assert refused.words == "kubectl delete: delete is forbidden"


def test_time_that_is_up_is_a_failure(site: Site, server: KubeflowServer, tmp_path: Path) -> None:
    server.state.run_states = ["RUNNING"]
    answer(tmp_path)
    site.deadline_s = time.monotonic()
    training, cache = outcome(site, None, "training", "cache")
    assert "the time was up while waiting for" in training.words
    assert not cache.passed


@pytest.mark.parametrize(
    ("log", "passed"),
    [
        ("mlflow.fabgan open\nml-pipeline-ui.kubeflow shut\n", True),
        ("mlflow.fabgan open\nml-pipeline-ui.kubeflow open\n", False),
        ("", False),
    ],
)
def test_policies_are_tried_by_a_pod(log: str, passed: bool, site: Site, tmp_path: Path) -> None:
    answer(tmp_path, run="", delete="", logs=log, get=[{"status": {"phase": "Succeeded"}}])
    (row,) = outcome(site, None, "policies")
    assert row.passed == passed, row.words


@pytest.fixture
def mlflow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.chdir(tmp_path)
    uri = database_in(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    return MlflowClient(uri)


def recorded(site: Site, monkeypatch: pytest.MonkeyPatch, failure: str) -> None:
    """Record the run of the training in MLflow, as the pods of a run do."""
    monkeypatch.setenv("FABGAN_RUN", site.run_of("training").identifier)
    pipelines.record_pipeline({"train": {"seed": 1}})
    pipelines.record_outcome("the generator is registered")
    pipelines.end_pipeline(failure)


@pytest.mark.parametrize(("failure", "passed"), [("", True), ("train: out of memory", False)])
def test_states_in_mlflow_are_compared_with_kubeflows(
    failure: str, passed: bool, site: Site, mlflow: MlflowClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer(tmp_path, get=[])
    assert outcome(site, mlflow, "training")[0].passed
    recorded(site, monkeypatch, failure)
    (row,) = outcome(site, mlflow, "states in MLflow")
    assert row.passed == passed
    assert ("FAILED, expected FINISHED (train: out of memory)" in row.words) == bool(failure)


def test_a_step_that_is_left_running_is_named(
    site: Site, mlflow: MlflowClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answer(tmp_path, get=[])
    assert outcome(site, mlflow, "training")[0].passed
    recorded(site, monkeypatch, "")
    (experiment,) = [one for one in mlflow.search_experiments() if one.name == "fabgan"]
    (parent,) = mlflow.search_runs([experiment.experiment_id])
    mlflow.create_run(experiment.experiment_id, tags={"mlflow.parentRunId": parent.info.run_id}, run_name="train")
    (row,) = outcome(site, mlflow, "states in MLflow")
    assert row.words == "training: left running in MLflow: train"


def test_what_needs_a_run_that_was_not_started_fails(site: Site, mlflow: MlflowClient, tmp_path: Path) -> None:
    answer(tmp_path)
    rows = outcome(site, mlflow, "cache", "augmentation", "report", "states in MLflow")
    assert not any(row.passed for row in rows)
    assert "needs the run of the check `training`" in rows[0].words
    assert rows[-1].words == "no run was started"


def test_a_cluster_that_cannot_be_reached_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", a_kubectl(tmp_path / "bin", "sys.exit('no route to host')"))
    monkeypatch.setenv("KUBECONFIG", "")
    assert main([f"--kubeconfig={tmp_path / 'config'}"]) == 1
    assert capsys.readouterr().err == "cluster-check: the cluster cannot be reached: kubectl get: no route to host\n"
