"""One MLflow run a pipeline, with a nested run for every step.

Steps are processes of their own; what makes them one pipeline is a tag of the parent run: the launcher's name of the
run (FABGAN_RUN), or else the digest of all parameters and the code's commit. Where a launcher has made the parent,
MLFLOW_RUN_ID names it.
"""

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.manifest import FILE_NAME, manifest_digest
from components.parameters import digest
from components.provenance import git_commit
from components.tracking.store import connect

EXPERIMENT = "fabgan"
PIPELINE_TAG = "fabgan.pipeline"
FAILURE_TAG = "fabgan.failure"
DATASET_DIGEST_LENGTH = 32


class StepRun:
    """The open run of one step."""

    def __init__(self, parent_id: str, step: str) -> None:
        import mlflow

        self.mlflow, self.parent_id, self.step = mlflow, parent_id, step

    def log(self, metrics: Mapping[str, float], images: int) -> None:
        """Log a point of a series, such as losses; `images` is its place on the axis."""
        self.mlflow.log_metrics(dict(metrics), step=images)

    def finish(self, metrics: Mapping[str, float], reports: list[Path], folders: list[Path]) -> None:
        """Log a step's results, its report folders, and the data sets among the folders it read or wrote."""
        self.mlflow.log_metrics(dict(metrics))
        client = self.mlflow.MlflowClient()
        for name, value in metrics.items():
            client.log_metric(self.parent_id, f"{self.step}.{name}", value)
        for report in reports:
            self.mlflow.log_artifacts(str(report), report.name)
        for folder in folders:
            if (folder / FILE_NAME).is_file():
                self._log_data_set(folder)

    def _log_data_set(self, folder: Path) -> None:
        from mlflow.data.dataset_source_registry import resolve_dataset_source
        from mlflow.data.meta_dataset import MetaDataset

        sha256 = manifest_digest(folder)
        with warnings.catch_warnings():  # mlflow registers its source of local folders twice and warns of its choice
            warnings.filterwarnings("ignore", message="The specified dataset source can be interpreted")
            source = resolve_dataset_source(str(folder))
        data_set = MetaDataset(source, name=folder.name, digest=sha256[:DATASET_DIGEST_LENGTH])
        self.mlflow.log_input(data_set, context=self.step, tags={"manifest_sha256": sha256})


@contextmanager
def step_run(step: str, parameters: Mapping[str, Any]) -> Iterator[StepRun]:
    """Open the run of a step inside the pipeline's; `parameters` are the sections that are known, by step.

    An exception marks both runs as failed. Raises UserError where MLflow cannot be used, or fails on the way.
    """
    with (
        _errors_of_mlflow(step) as mlflow,
        _parent_run(parameters) as parent,
        mlflow.start_run(
            experiment_id=parent.info.experiment_id,
            run_name=step,
            nested=True,
            parent_run_id=parent.info.run_id,
            log_system_metrics=True,
        ),
    ):
        mlflow.log_params(_flat(parameters[step]))
        yield StepRun(parent.info.run_id, step)


def record_pipeline(parameters: Mapping[str, Any]) -> None:
    """Make the run of a pipeline, with the parameters of all its steps, before they run one by one."""
    with _errors_of_mlflow("pipeline"), _parent_run(parameters):
        pass


def record_failure(message: str) -> None:
    """Mark the pipeline's run as failed, for this reason."""
    with _errors_of_mlflow("pipeline") as mlflow, _parent_run({}) as parent:
        mlflow.MlflowClient().set_tag(parent.info.run_id, FAILURE_TAG, message)
    mlflow.MlflowClient().set_terminated(parent.info.run_id, "FAILED")


@contextmanager
def _errors_of_mlflow(what: str) -> Iterator[Any]:
    """Yield mlflow, connected; where it fails on the way, that is a UserError."""
    uri = connect()
    import mlflow

    try:
        yield mlflow
    except mlflow.MlflowException as error:
        raise UserError(f"{what}: MLflow at {uri} failed: {error}; mend it and run the same command again") from error


@contextmanager
def _parent_run(parameters: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the pipeline's run: the launcher's, whose end is the launcher's business, or our own."""
    import mlflow

    client = mlflow.MlflowClient()
    launched = os.environ.pop("MLFLOW_RUN_ID", None)
    if launched is not None:
        yield client.get_run(launched)
        return
    mlflow.set_experiment(EXPERIMENT)
    run = _pipeline_run(client, parameters)
    status = "FAILED"
    try:
        yield run
        status = "FINISHED"
    finally:
        client.set_terminated(run.info.run_id, status)


def _pipeline_run(client: Any, parameters: Mapping[str, Any]) -> Any:
    """Return the run that bears the pipeline's tag; make it, with these parameters, where there is none."""
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
