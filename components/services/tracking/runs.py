"""The MLflow run of a step, nested in the run of its pipeline.

MLflow must answer when a step starts. If it fails later, the step logs a warning and continues. The results are on disk
and worth more than their record.
"""

import json
import os
import time
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ...artifacts.manifest import FILE_NAME, manifest_digest
from ...core.log import logger
from ...core.parameters import digest
from ...core.processes import is_gone, this_process
from .local import written_whole
from .pipelines import FAILURE_TAG, PARENT_TAG, PROCESS_TAG, ended, flat, parent_run
from .store import mlflow_errors, warn, warn_on_failure

WORK_TAG = "fabgan.work"
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
        with written_whole():
            try:
                self.client.log_batch(self.run_id, self._unsent)
            except self.mlflow.MlflowException as error:
                if not self._next_try_s:
                    warn(self.step, error, "the step continues, and its points are sent later")
                ended_s = time.monotonic()
                self._next_try_s = ended_s + max(PAUSE_S, PAUSE_TRIES * (ended_s - began_s))
            else:
                self._unsent.clear()
                self._next_try_s = 0.0

    def finish(self, metrics: Mapping[str, float], reports: list[Path], folders: list[Path]) -> None:
        """Log a step's results, its report folders, and the data sets among the folders that it read or wrote."""
        with written_whole(), warn_on_failure(self.step, "its results are only in its files"):
            self.mlflow.log_metrics(dict(metrics))
            if not _training():  # the trainings of a sweep would overwrite each other's metrics in the parent run
                self.mlflow.log_metrics(flat({self.step: metrics}), run_id=self.parent_id)
            for report in reports:
                self.mlflow.log_artifacts(str(report), report.name)
            for folder in folders:
                if (folder / FILE_NAME).is_file():
                    self._log_data_set(folder)

    def show(self, page: Path) -> None:
        """Log a page that the step wrote, also if the step is refused afterwards."""
        with warn_on_failure(self.step, f"{page} is only on this computer"):
            self.mlflow.log_artifact(str(page), self.step)

    def close(self, status: str, failure: str) -> None:
        """Send the kept points, and end the run, with the reason if it failed."""
        if self._unsent:
            self._send()
        if self._unsent:
            logger(self.step).warning("points that never reached MLflow: %d", len(self._unsent))
        with warn_on_failure(self.step, "MLflow still shows its run as running"):
            try:
                if failure:
                    self.client.set_tag(self.run_id, FAILURE_TAG, failure)
            finally:  # a run that is still open when Python ends would be recorded as FINISHED by mlflow
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
    with mlflow_errors(step) as mlflow, parent_run(parameters) as parent:
        opened = _step_run(mlflow, parent, step, digest([parameters[step], data]))
        run = StepRun(parent.info.run_id, opened, step)
        with ended(run.close):
            mlflow.log_params(flat(parameters[step]))
            yield run


def _step_run(mlflow: Any, parent: Any, step: str, work: str) -> Any:
    """Start the run of a step, or continue the run that an earlier attempt at the same work left unfinished."""
    training, experiment_id = _training(), parent.info.experiment_id
    name = " ".join([step, *(f"{axis}={value}" for axis, value in training.items())])
    own = f"tags.{PARENT_TAG} = '{parent.info.run_id}' and attributes.run_name = '{name}'"
    unfinished = f"{own} and attributes.status != 'FINISHED' and tags.`{WORK_TAG}` = '{work}'"
    client, process = mlflow.MlflowClient(), this_process()
    found = [run for run in client.search_runs([experiment_id], unfinished) if _is_left(run)]
    if found:
        client.set_tag(found[0].info.run_id, PROCESS_TAG, process)
        if FAILURE_TAG in found[0].data.tags:
            client.delete_tag(found[0].info.run_id, FAILURE_TAG)
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


def _training() -> dict[str, str]:
    """Return the parameters in which this training of a sweep differs from the others; empty outside a sweep."""
    return {name: str(value) for name, value in json.loads(os.environ.get(TRAINING, "{}")).items()}
