"""What a real MLflow server holds of a pipeline and its steps, and how steps go on while it is away."""

import signal
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import psutil
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from mlflow.exceptions import MlflowException

from fabgan.components.core.errors import UserError
from fabgan.components.core.processes import this_process
from fabgan.components.core.signals import STOPPING, Terminated, stop_on_signals
from fabgan.components.services.tracking import pipelines, runs
from fabgan.components.services.tracking.pipelines import end_pipeline, record_pipeline
from fabgan.components.services.tracking.runs import StepRun, step_run
from fabgan.components.services.tracking.store import connect
from fabgan.pipeline.pod import run as pod
from tests.conftest import PARAMETERS
from tests.database import database_in
from tests.servers.mlflow_server import running_mlflow
from tests.unit.test_process_names import ended_process

pytestmark = pytest.mark.integration
TRAIN = {"train": PARAMETERS["train"]}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("tracking")
    with running_mlflow(folder / "server", str(folder / "artifacts")) as uri:
        yield uri


@pytest.fixture(autouse=True)
def impatient(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the client of the server give up soon, and try again soon."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", server)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "3")
    monkeypatch.setattr(runs, "PAUSE_S", 2.0)
    monkeypatch.setattr(runs, "PAUSE_TRIES", 0)


@contextmanager
def away(uri: str) -> Iterator[None]:
    """Stop the server at this address, with its workers: it takes calls and never answers."""
    port = f"--port={uri.rsplit(':')[-1]}"
    main = next(child for child in psutil.Process().children() if port in child.cmdline())
    processes = [main, *main.children(recursive=True)]
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        for process in processes:
            process.send_signal(signal.SIGCONT)


def launched(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FABGAN_RUN", name)


def pipeline_named(name: str) -> Run:
    client = MlflowClient()
    experiment = client.get_experiment_by_name("fabgan")
    assert experiment is not None
    return client.search_runs([experiment.experiment_id], f"tags.`{pipelines.PIPELINE_TAG}` = '{name}'")[0]


def steps_of(pipeline: Run) -> dict[str, Run]:
    mine = f"tags.mlflow.parentRunId = '{pipeline.info.run_id}'"
    return {str(run.info.run_name): run for run in MlflowClient().search_runs([pipeline.info.experiment_id], mine)}


def test_a_launched_pipeline_stays_open_until_its_launcher_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    launched("one", monkeypatch)
    record_pipeline(TRAIN)
    with step_run("train", TRAIN, {}):
        pass
    assert pipeline_named("one").info.status == "RUNNING"
    with pytest.raises(ZeroDivisionError), step_run("train", TRAIN, {}):
        raise ZeroDivisionError
    assert pipeline_named("one").info.status == "RUNNING"
    end_pipeline("it divided by zero")
    assert pipeline_named("one").info.status == "FAILED"
    assert pipeline_named("one").data.tags[pipelines.FAILURE_TAG] == "it divided by zero; train: ZeroDivisionError"


def failed(section: Mapping[str, object], data: str) -> str:
    """Let a step fail; return the identifier of its run."""
    with suppress(ZeroDivisionError), step_run("train", {"train": section}, {"packages": data}) as run:
        raise ZeroDivisionError
    return run.run_id


def test_only_the_same_work_is_continued(monkeypatch: pytest.MonkeyPatch) -> None:
    launched("changed", monkeypatch)
    ids = [failed(*work) for work in [({"seed": 1}, "a"), ({"seed": 2}, "a"), ({"seed": 2}, "b"), ({"seed": 2}, "b")]]
    assert len(set(ids[:3])) == 3
    assert ids[3] == ids[2]


@pytest.mark.parametrize(("name", "continued"), [(this_process, False), (ended_process, True)], ids=["alive", "gone"])
def test_a_run_that_a_living_process_works_in_is_left_alone(name: Callable[[], str], continued: bool) -> None:
    section, client = {"seed": continued}, MlflowClient()
    first = failed(section, "a")
    client.update_run(first, status="RUNNING")
    client.set_tag(first, pipelines.PROCESS_TAG, name())
    assert (failed(section, "a") == first) == continued


def test_trainings_of_a_sweep_are_told_apart_and_leave_the_sweep_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    launched("sweep", monkeypatch)
    monkeypatch.setenv(runs.TRAINING, "{}")
    for seed in (1, 2.0):  # Kubeflow makes floats of numbers
        section = PARAMETERS["train"] | {"seed": seed}
        pod.name_run(section)
        with step_run("train", {"train": section}, {}) as run:
            run.finish({"loss_G": seed}, [], [])
    pipelines.record_outcome("compared")
    end_pipeline()
    parent = pipeline_named("sweep")
    assert (parent.info.status, parent.data.metrics) == ("FINISHED", {})
    steps = steps_of(parent)
    assert steps.keys() == {f"train variant=paper image_size_px=64 seed={seed}" for seed in (1, 2)}
    second = steps["train variant=paper image_size_px=64 seed=2"].data
    assert second.metrics["loss_G"] == 2
    assert {name: second.tags[name] for name in pod.AXES} == {"variant": "paper", "image_size_px": "64", "seed": "2"}


def test_what_a_step_cannot_do_without_mlflow_is_an_error_of_the_step() -> None:
    failed = pytest.raises(UserError, match=r"publish: MLflow at http:.* failed: no registry; fix this and run")
    with failed, step_run("publish", {"publish": {}}, {}):
        raise MlflowException("no registry")


def images_of_points(run: StepRun) -> list[int]:
    return [point.step for point in MlflowClient().get_metric_history(run.run_id, "G")]


def test_points_that_a_server_missed_are_sent_when_it_is_back(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    with step_run("train", TRAIN, {}) as run:
        run.log({"G": 1.0}, 8)
        with away(server):
            run.log({"G": 2.0}, 16)
            began_s = time.monotonic()
            run.log({"G": 3.0}, 24)
            assert time.monotonic() - began_s < 1  # the server is left alone for a while
            time.sleep(runs.PAUSE_S)
            run.log({"G": 4.0}, 32)
        time.sleep(runs.PAUSE_S)
        run.log({"G": 5.0}, 40)
        assert images_of_points(run) == [8, 16, 24, 32, 40]
    told = [line for line in capsys.readouterr().err.splitlines() if line.startswith("train: ")]
    assert len(told) == 1
    assert told[0].startswith(f"train: warning: MLflow at {server} failed: ")
    assert told[0].endswith("; the step continues, and its points are sent later")


def test_the_end_of_a_step_sends_what_is_kept(server: str) -> None:
    with step_run("train", TRAIN, {}) as run:
        with away(server):
            run.log({"G": 1.0}, 8)
        run.log({"G": 2.0}, 16)
    assert images_of_points(run) == [8, 16]


def test_mlflow_prints_nothing_on_an_output_that_may_not_take_its_characters(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with step_run("train", TRAIN, {}):
        pass
    assert capsys.readouterr().out == ""


def test_no_step_starts_without_the_server(server: str) -> None:
    failed = pytest.raises(UserError, match=f"MLflow at {server} cannot be used")
    with away(server), failed, step_run("train", TRAIN, {}):
        pass


def test_a_step_in_a_copy_that_dvc_deletes_records_in_the_project(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copy = tmp_path / "project" / ".dvc" / "tmp" / "exps" / "standalone" / "tmp123"
    (copy / ".dvc").mkdir(parents=True)
    monkeypatch.chdir(copy)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    (copy / "report").mkdir()
    (copy / "report" / "page.html").write_text("x")
    with step_run("train", TRAIN, {}) as run:
        run.finish({"images": 8}, [copy / "report"], [])
    assert {path.name for path in copy.iterdir()} == {".dvc", "report"}
    assert (tmp_path / "project" / "mlflow.db").is_file()
    assert len(list((tmp_path / "project" / "mlruns").rglob("page.html"))) == 1


def test_a_proxy_before_the_server_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://mlflow.fab.local:5000")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    for name in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    words = r"used \(asked through the proxy http://127.0.0.1:9, because no_proxy does not name mlflow.fab.local\)"
    with pytest.raises(UserError, match=words), step_run("train", TRAIN, {}):
        pass


def test_a_proxy_is_named_only_where_requests_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.0/8")
    for address, words in (
        ("http://mlflow.fab.local:5000", r"cannot be used \(asked through the proxy http://127.0.0.1:9"),
        ("http://127.0.0.1:9", "cannot be used: "),
    ):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        with pytest.raises(UserError, match=words):
            connect()


def test_a_file_that_is_no_database_is_named_with_what_to_look_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database_in(tmp_path))
    monkeypatch.setenv("all_proxy", "http://127.0.0.1:9")
    (tmp_path / "mlflow.db").write_text("photographs")
    with pytest.raises(UserError, match=r"cannot be used: .*; see that .*mlflow.db is a database of MLflow.*not full"):
        connect()


@pytest.mark.parametrize(
    ("address", "instead"),
    [
        ("http://fabuser:S3cretPw@mlflow.fab.local:5000", "MLFLOW_TRACKING_USERNAME"),
        ("https://S3cretPw@mlflow.fab.local", "MLFLOW_TRACKING_USERNAME"),
        ("http://fabuser:S3cretPw?#@mlflow.fab.local", "MLFLOW_TRACKING_USERNAME"),
        ("fabuser:S3cretPw@mlflow.fab.local:5000", "MLFLOW_TRACKING_USERNAME"),
        ("http://mlflow.fab.local:5000/?token=S3cretPw", "MLFLOW_TRACKING_USERNAME"),
        ("postgresql://fabuser:S3cretPw@db.fab.local/mlflow", "PGPASSWORD"),
        ("postgresql://db.fab.local/mlflow?user=fabuser&password=S3cretPw", "PGPASSWORD"),
    ],
)
def test_an_address_with_a_password_is_refused_without_saying_it(
    monkeypatch: pytest.MonkeyPatch, address: str, instead: str
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    with pytest.raises(UserError, match=f"MLFLOW_TRACKING_URI: a user, password or query.*{instead}") as raised:
        connect()
    assert "S3cretPw" not in str(raised.value)


@pytest.mark.parametrize(("number", "raised"), [(signal.SIGTERM, Terminated), (signal.SIGINT, KeyboardInterrupt)])
def test_a_signal_waits_until_a_database_is_written(
    number: signal.Signals, raised: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between two statements of mlflow it would leave the database locked, and the run could not be ended."""
    monkeypatch.setenv("MLFLOW_TRACKING_URI", database_in(tmp_path))
    said, before = list[str](), {one: signal.getsignal(one) for one in (*STOPPING, signal.SIGINT)}

    def train() -> None:
        with step_run("train", TRAIN, {}) as run:
            send = run.client.log_batch

            def interrupted(*arguments: object) -> None:
                said.append(run.run_id)
                signal.raise_signal(number)
                send(*arguments)
                said.append("sent")

            monkeypatch.setattr(run.client, "log_batch", interrupted)
            run.log({"D": 1.0}, 8)
            said.append("goes on")

    signal.signal(signal.SIGINT, signal.default_int_handler)
    stop_on_signals()
    try:
        with pytest.raises(raised):
            train()
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    assert said[1:] == ["sent"]
    found = MlflowClient().get_run(said[0])
    assert (found.info.status, found.data.metrics) == ("KILLED", {"D": 1.0})


def test_a_step_ends_well_without_the_server(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    with ExitStack() as stack, step_run("train", TRAIN, {}) as run:
        stack.enter_context(away(server))
        run.log({"G": 1.0}, 8)
        run.finish({"images": 8}, [], [])
    said = capsys.readouterr().err
    assert "train: warning: points that never reached MLflow: 1\n" in said
    assert "its results are only in its files" in said
