"""One MLflow run per pipeline, with a nested run per step.

Each step is a process of its own. A tag of the parent run joins the steps to one pipeline. Its value is FABGAN_RUN, the
name that a launcher gives the run, or else the digest of all parameters and the commit of the code. A launcher that has
created the parent run passes MLFLOW_RUN_ID. A step never ends the run of a launcher, because other steps may use it.

MLflow must answer when a step starts. If it fails later, the step logs a warning and continues. The results are on disk
and worth more than their record.
"""

import json
import os
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...artifacts.manifest import FILE_NAME, manifest_digest
from ...core.errors import UserError
from ...core.log import logger
from ...core.parameters import digest
from ...core.processes import is_gone, this_process
from ...core.provenance import git_commit
from .local import open_experiment
from .store import connect, first_line

EXPERIMENT = "fabgan"
PIPELINE_TAG = "fabgan.pipeline"
FAILURE_TAG = "fabgan.failure"
WORK_TAG = "fabgan.work"
PROCESS_TAG = "fabgan.process"
OUTCOME_TAG = "fabgan.outcome"
DATASET_DIGEST_LENGTH = 32
TRAINING = "FABGAN_TRAINING"
"""Environment variable in a sweep: JSON of the parameters in which its trainings differ, such as the seed."""
PAUSE_S = 60.0
PAUSE_TRIES = 10
"""The pause after a failure is a minute, or ten times the duration of the failed attempt if that is longer. So a server
that does not answer costs a step at most a tenth of its time."""


class StepRun:
    """The open MLflow run of one step."""

    def __init__(self, parent_id: str, opened: Any, step: str) -> None:
        import mlflow

        self.mlflow, self.client = mlflow, mlflow.MlflowClient()
        self.parent_id, self.step = parent_id, step
        self.run_id: str = opened.info.run_id
        self.experiment_id: str = opened.info.experiment_id
        self._unsent: list[Any] = []
        self._next_try_s = 0.0

    @property
    def address(self) -> str:
        """Where a person finds the run: its page on the MLflow server, or else its identifier."""
        server = urlsplit(os.environ["MLFLOW_TRACKING_URI"])
        if server.scheme not in ("http", "https"):
            return self.run_id
        return f"{server.geturl().rstrip('/')}/#/experiments/{self.experiment_id}/runs/{self.run_id}"

    def log(self, metrics: Mapping[str, float], images: int) -> None:
        """Log a point of a series, such as losses; `images` is its position on the axis.

        While MLflow does not answer, points are kept. A later call, or the end of the step, sends them.
        """
        now_ms = time.time_ns() // 1_000_000
        self._unsent += [self.mlflow.entities.Metric(name, value, now_ms, images) for name, value in metrics.items()]
        if time.monotonic() >= self._next_try_s:
            self._send()

    def _send(self) -> None:
        """Send the kept points; warn of the first of consecutive failures."""
        began_s = time.monotonic()
        try:
            self.client.log_batch(self.run_id, self._unsent)
        except self.mlflow.MlflowException as error:
            if not self._next_try_s:
                _warn(self.step, error, "the step continues, and its points are sent later")
            ended_s = time.monotonic()
            self._next_try_s = ended_s + max(PAUSE_S, PAUSE_TRIES * (ended_s - began_s))
        else:
            self._unsent.clear()
            self._next_try_s = 0.0

    def finish(self, metrics: Mapping[str, float], reports: list[Path], folders: list[Path]) -> None:
        """Log a step's results, its report folders, and the data sets among the folders that it read or wrote."""
        with _warn_on_failure(self.step, "its results are only in its files"):
            self.mlflow.log_metrics(dict(metrics))
            if not _training():  # the trainings of a sweep would overwrite each other's metrics in the parent run
                for name, value in metrics.items():
                    self.client.log_metric(self.parent_id, f"{self.step}.{name}", value)
            for report in reports:
                self.mlflow.log_artifacts(str(report), report.name)
            for folder in folders:
                if (folder / FILE_NAME).is_file():
                    self._log_data_set(folder)

    def close(self, status: str) -> None:
        """Send the kept points, and end the run."""
        if self._unsent:
            self._send()
        if self._unsent:
            logger(self.step).warning("points that never reached MLflow: %d", len(self._unsent))
        with _warn_on_failure(self.step, "MLflow still shows its run as running"):
            self.mlflow.end_run(status)

    def _log_data_set(self, folder: Path) -> None:
        from mlflow.data.dataset_source_registry import resolve_dataset_source
        from mlflow.data.meta_dataset import MetaDataset

        sha256 = manifest_digest(folder)
        with warnings.catch_warnings():  # mlflow has two sources for local folders, and warns that it picks one
            warnings.filterwarnings("ignore", message="The specified dataset source can be interpreted")
            source = resolve_dataset_source(str(folder))
        data_set = MetaDataset(source, name=folder.name, digest=sha256[:DATASET_DIGEST_LENGTH])
        self.mlflow.log_input(data_set, context=self.step, tags={"manifest_sha256": sha256})


@contextmanager
def step_run(step: str, parameters: Mapping[str, Any], data: Mapping[str, str]) -> Iterator[StepRun]:
    """Open the run of a step inside the pipeline's run; `parameters` are the known sections, by step.

    `data` are the digests of the step's inputs. A step that is started again, with the same parameters and data,
    continues the run that it left unfinished. So its curves stay whole, and no run is left open. An
    exception marks both runs as failed, and a signal marks them as killed. Raises UserError if MLflow cannot be used
    when the step starts, or if MLflow fails while the step itself needs it.
    """
    with _mlflow_errors(step) as mlflow, _parent_run(parameters) as parent:
        opened = _step_run(mlflow, parent, step, digest([parameters[step], data]))
        run = StepRun(parent.info.run_id, opened, step)
        with _ended(run.close):
            mlflow.log_params(_flat(parameters[step]))
            yield run


def _step_run(mlflow: Any, parent: Any, step: str, work: str) -> Any:
    """Start the run of a step, or continue the run that an earlier attempt at the same work left unfinished."""
    training, experiment_id = _training(), parent.info.experiment_id
    name = " ".join([step, *(f"{axis}={value}" for axis, value in training.items())])
    own = f"tags.mlflow.parentRunId = '{parent.info.run_id}' and attributes.run_name = '{name}'"
    unfinished = f"{own} and attributes.status != 'FINISHED' and tags.`{WORK_TAG}` = '{work}'"
    client, process = mlflow.MlflowClient(), this_process()
    found = [run for run in client.search_runs([experiment_id], unfinished) if _is_left(run)]
    if found:
        client.set_tag(found[0].info.run_id, PROCESS_TAG, process)
        return mlflow.start_run(run_id=found[0].info.run_id, nested=True, log_system_metrics=True)
    return mlflow.start_run(
        experiment_id=experiment_id,
        run_name=name,
        nested=True,
        parent_run_id=parent.info.run_id,
        tags=training | {WORK_TAG: work, PROCESS_TAG: process},
        log_system_metrics=True,
    )


def _is_left(run: Any) -> bool:
    """Say whether nobody is at work in an unfinished run: it was ended, or its process is gone.

    A launcher starts a step of a pipeline once at a time, so what it finds is left, whichever computer it was on.
    """
    if run.info.status != "RUNNING" or "FABGAN_RUN" in os.environ:
        return True
    return is_gone(run.data.tags.get(PROCESS_TAG, ""))


@contextmanager
def _ended(end: Callable[[str], None]) -> Iterator[None]:
    """Call `end` after the block: with FINISHED, with KILLED after a signal, or with FAILED after another exception."""
    status = "FAILED"
    try:
        yield
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    finally:
        end(status)


def record_pipeline(parameters: Mapping[str, Any]) -> None:
    """Create the run of a pipeline with the parameters of all its steps, before they run one by one."""
    with _mlflow_errors("pipeline"), _parent_run(parameters):
        pass


def record_outcome(outcome: str) -> None:
    """Record what a pipeline came to. Its last component does this: without an outcome, it did not reach its end."""
    with _mlflow_errors("pipeline") as mlflow, _parent_run({}) as parent:
        mlflow.MlflowClient().set_tag(parent.info.run_id, OUTCOME_TAG, outcome)


def end_pipeline(failure: str = "") -> None:
    """End the run of a pipeline whose launcher named it: as finished, or as failed with this reason.

    Without an outcome, the pipeline did not reach its end, so it is failed too.
    """
    with _mlflow_errors("pipeline") as mlflow, _parent_run({}) as parent:
        client, run_id = mlflow.MlflowClient(), parent.info.run_id
        if not failure and OUTCOME_TAG not in client.get_run(run_id).data.tags:
            failure = "the pipeline ended before its last step; see the tasks of the run in Kubeflow"
        if failure:
            client.set_tag(run_id, FAILURE_TAG, failure)
        client.set_terminated(run_id, "FAILED" if failure else "FINISHED")


def _training() -> dict[str, str]:
    """Return the parameters in which this training of a sweep differs from the others; empty outside a sweep."""
    return {name: str(value) for name, value in json.loads(os.environ.get(TRAINING, "{}")).items()}


def _warn(what: str, error: Exception, consequence: str) -> None:
    uri = os.environ["MLFLOW_TRACKING_URI"]
    logger(what).warning("MLflow at %s failed: %s; %s", uri, first_line(error), consequence)


@contextmanager
def _warn_on_failure(what: str, consequence: str) -> Iterator[None]:
    """Warn if recording fails, instead of raising: an exception would lose the step's finished work."""
    try:
        yield
    except Exception as error:  # of MLflow, or of the client that uploads its files to a bucket
        _warn(what, error, consequence)


@contextmanager
def _mlflow_errors(what: str) -> Iterator[Any]:
    """Connect mlflow and yield it; turn its exceptions in the block into a UserError."""
    uri = connect()
    import mlflow

    try:
        yield mlflow
    except mlflow.MlflowException as error:
        raise UserError(f"{what}: MLflow at {uri} failed: {error}; fix this and run the same command again") from error


@contextmanager
def _parent_run(parameters: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the pipeline's run. A launcher ends its own run; without a launcher, the run ends with the block."""
    import mlflow

    client = mlflow.MlflowClient()
    launched = os.environ.pop("MLFLOW_RUN_ID", None)
    if launched is not None:
        try:
            yield client.get_run(launched)
        finally:
            os.environ["MLFLOW_RUN_ID"] = launched  # mlflow must not see it in between, and later calls need it
        return
    open_experiment(client, EXPERIMENT)
    run = _pipeline_run(client, parameters)
    if os.environ.get("FABGAN_RUN"):
        yield run
        return

    def end(status: str) -> None:
        with _warn_on_failure("pipeline", "MLflow still shows its run as running"):
            client.set_terminated(run.info.run_id, status)

    with _ended(end):
        yield run


def _pipeline_run(client: Any, parameters: Mapping[str, Any]) -> Any:
    """Return the run with the pipeline's tag; create it with these parameters if there is none."""
    commit = git_commit()
    identity = os.environ.get("FABGAN_RUN") or digest([parameters, commit])
    experiment_id = client.get_experiment_by_name(EXPERIMENT).experiment_id
    found = client.search_runs([experiment_id], f"tags.`{PIPELINE_TAG}` = '{identity}'", max_results=1)
    if found:
        client.update_run(found[0].info.run_id, status="RUNNING")
        return found[0]
    name = os.environ.get("DVC_EXP_NAME") or f"pipeline-{identity[:8]}"
    run = client.create_run(experiment_id, run_name=name, tags={PIPELINE_TAG: identity, "git_commit": commit})
    for key, value in _flat(parameters).items():
        client.log_param(run.info.run_id, key, value)
    return run


def _flat(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
