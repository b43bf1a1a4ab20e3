"""Run one step inside a pod, with its section of the parameters and the paths of its artifacts.

The components that Kubeflow starts are thin. They call this module, which runs the same steps as the command line.
"""

import json
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from fabgan.components.core.files import atomic_file, write_json
from fabgan.components.core.parameters import parse
from fabgan.components.steps import parameter_type

from .form import FORM, checked_sections
from .reporting import report_errors
from .supervisor import supervised

FAILED_STATES = ("FAILED", "ERROR", "SYSTEM_ERROR")
TERMINATED_STATES = ("CANCELING", "CANCELED", "CANCELLED")
REPORT, SHEET = "report.html", "contact_sheet.html"
AXES = ("variant", "image_size_px", "seed")
"""The parameters of `train` in which the trainings of a sweep differ."""


@report_errors
def settings(content: Mapping[str, Any], form: Mapping[str, Any], gpus: int) -> dict[str, dict[str, Any]]:
    """Return the section of every step, as `pinned_sections` does."""
    return pinned_sections(content, form, gpus)


def pinned_sections(content: Mapping[str, Any], form: Mapping[str, Any], gpus: int = 0) -> dict[str, dict[str, Any]]:
    """Return the section of every step, as `checked_sections` does, with the data pinned.

    The pipeline's run is opened in MLflow with all sections. Raises UserError for data that is not there.
    """
    from fabgan.components.ingest.sources import resolve
    from fabgan.components.services.tracking.pipelines import record_pipeline

    checked = {name: asdict(section) for name, section in checked_sections(content, form, gpus).items()}
    checked["ingest"]["revision"] = resolve(checked["ingest"]["source"], checked["ingest"]["revision"])
    record_pipeline(checked)
    return checked


@report_errors
def step(
    name: str,
    section: Mapping[str, Any],
    metrics: Any,
    *others: Mapping[str, Any],
    before: Mapping[str, str] | None = None,
    **paths: str,
) -> dict[str, float]:
    """Run a step as the command line does, log its metrics to Kubeflow, and return them.

    `others` are the sections that the step reads beside its own. `before` are the files with the metrics of earlier
    steps, which are recorded in MLflow if they came from the cache. A step whose process is killed is started again.
    """
    found = supervised(name, {"sections": [section, *others], "paths": paths, "before": before or {}})
    log_metrics(metrics, found)
    return found


@report_errors
def show_page(folder: str, name: str, page: str) -> None:
    """Copy a page from the folder of a step to where Kubeflow's UI shows it."""
    with atomic_file(Path(page)) as partial:
        shutil.copyfile(Path(folder) / name, partial)


@report_errors
def name_run(section: Mapping[str, Any]) -> None:
    """Name the MLflow runs of this pod after the training of the sweep that they belong to."""
    from fabgan.components.services.tracking.runs import TRAINING

    training: Any = parse(parameter_type("train"), section, FORM, "train")
    os.environ[TRAINING] = json.dumps({axis: getattr(training, axis) for axis in AXES})


@report_errors
def train(section: Mapping[str, Any], metrics: Any, gpus: int, **paths: str) -> None:
    """Train in this process, or in one process per GPU if there are several GPUs.

    FABGAN_CHECKPOINTS is the mount path of a volume that outlives the pod. Training with the same data and parameters
    resumes from the checkpoints there. Without a volume, checkpoints are in the pod's own /tmp.
    """
    paths["checkpoints"] = os.environ.get("FABGAN_CHECKPOINTS") or "/tmp/checkpoints"  # noqa: S108
    log_metrics(metrics, supervised("train", {"sections": [section], "paths": paths, "before": {}}, max(gpus, 1)))


def as_items(parameters: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return parameters as the items of a loop. Kubeflow's driver hands every item on as a string of JSON."""
    return [json.dumps(one) for one in parameters]


def log_metrics(metrics: Any, found: Mapping[str, float]) -> None:
    """Log figures to Kubeflow's `metrics` artifact, and write them to its file."""
    for name, value in found.items():
        metrics.log_metric(name, value)
    write_json(Path(metrics.path), dict(found))


@report_errors
def finish(status: Any) -> None:
    """End the run in MLflow as finished, killed or failed, with the reason.

    Kubeflow's state does not tell everything (kubeflow/pipelines issues 11826, 13321). Of the group of steps it says
    COMPLETE (its local runners: SUCCEEDED) or FAILED, but may say RUNNING after a driver that failed. So a run ends
    well only if its last component recorded an outcome.
    """
    from fabgan.components.services.tracking.pipelines import end_pipeline

    failed = status.state in FAILED_STATES or bool(status.error_message)
    failure = f"{status.pipeline_task_name}: {status.error_message or status.state}" if failed else ""
    end_pipeline(failure, terminated=status.state in TERMINATED_STATES)
