"""The MLflow run of a pipeline, in which the runs of its steps are nested, and how it ends.

Each step is a process of its own. A tag of the pipeline's run joins the steps. Its value is FABGAN_RUN, the name that a
launcher gives the run, or else the digest of all parameters and the commit of the code. A launcher that has created the
run passes MLFLOW_RUN_ID. A step never ends the run of a launcher, because other steps may use it.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ...core.parameters import digest
from ...core.processes import is_gone, this_process
from ...core.provenance import git_commit
from ...core.signals import undisturbed
from .local import open_experiment
from .store import first_line, mlflow_errors, warn_on_failure

EXPERIMENT = "fabgan"
PIPELINE_TAG = "fabgan.pipeline"
PROCESS_TAG = "fabgan.process"
OUTCOME_TAG = "fabgan.outcome"
FAILURE_TAG = "fabgan.failure"
CACHED_TAG = "fabgan.cached"
PARENT_TAG = "mlflow.parentRunId"
FAILURE_LENGTH = 1000
LEFT = "it did not tell how it ended: its process or its pod was killed, or MLflow did not answer"
UNFINISHED = "the pipeline ended before its last step; see the tasks of the run in Kubeflow"


def record_pipeline(parameters: Mapping[str, Any]) -> None:
    """Create the run of a pipeline with the parameters of all its steps, before they run one by one."""
    with mlflow_errors("pipeline"), parent_run(parameters):
        pass


def record_cached(figures: Mapping[str, Mapping[str, float]]) -> None:
    """Record steps that a launcher supplied from its cache, with the metrics of the earlier run, by step.

    A step has made them in this run of the pipeline if it has a run of its own there. Such a step is left as it is.
    Without a launcher there is no run in which steps with different parameters meet, and nothing is recorded.
    """
    if not _launched():
        return
    with mlflow_errors("pipeline") as mlflow, parent_run({}) as parent:
        client, experiment_id = mlflow.MlflowClient(), parent.info.experiment_id
        tags = {PARENT_TAG: parent.info.run_id, CACHED_TAG: "true"}
        done = client.search_runs([experiment_id], f"tags.{PARENT_TAG} = '{parent.info.run_id}'")
        for step in figures.keys() - {run.info.run_name for run in done}:
            run = client.create_run(experiment_id, run_name=step, tags=tags)
            mlflow.log_metrics(dict(figures[step]), run_id=run.info.run_id)
            mlflow.log_metrics(flat({step: figures[step]}), run_id=parent.info.run_id)
            client.set_terminated(run.info.run_id, "FINISHED")


def record_outcome(outcome: str) -> None:
    """Record what a pipeline came to, if a launcher named its run.

    Its last component does this: without an outcome, it did not reach its end.
    """
    if not _launched():
        return
    with mlflow_errors("pipeline") as mlflow, parent_run({}) as parent:
        mlflow.MlflowClient().set_tag(parent.info.run_id, OUTCOME_TAG, outcome)


def _launched() -> bool:
    """Return whether a launcher named the run, or has created it."""
    return bool(os.environ.get("FABGAN_RUN") or os.environ.get("MLFLOW_RUN_ID"))


def end_pipeline(failure: str = "", terminated: bool = False) -> None:
    """End the run of a pipeline whose launcher named it; `failure` and `terminated` are what the launcher says of it.

    It ends as finished if its last component recorded an outcome and there is no failure. It ends as killed if a person
    terminated it, or if a step was stopped and the launcher calls nothing a failure. Otherwise it has failed. The
    reason names the steps that did not end well. The runs of steps that still seem to be running are ended as killed,
    because nobody is at work any more.
    """
    with mlflow_errors("pipeline") as mlflow, parent_run({}) as parent:
        client, run_id = mlflow.MlflowClient(), parent.info.run_id
        words, stopped = _what_went_wrong(client, parent)
        if not failure and not terminated and OUTCOME_TAG in client.get_run(run_id).data.tags:
            client.set_terminated(run_id, "FINISHED")
            return
        reasons = [*([failure] if failure else []), *words] or ["terminated" if terminated else UNFINISHED]
        client.set_tag(run_id, FAILURE_TAG, "; ".join(reasons)[:FAILURE_LENGTH])
        client.set_terminated(run_id, "KILLED" if terminated or (stopped and not failure) else "FAILED")


def _what_went_wrong(client: Any, parent: Any) -> tuple[list[str], bool]:
    """Return what is to be said of the steps that did not end well, and whether a step was stopped, and none failed."""
    of_steps = f"tags.{PARENT_TAG} = '{parent.info.run_id}' and attributes.status != 'FINISHED'"
    words, ends = [], set[str]()
    for run in client.search_runs([parent.info.experiment_id], of_steps):
        left = run.info.status == "RUNNING"
        if left:
            _end_as_killed(client, run)
        reason = LEFT if left else run.data.tags.get(FAILURE_TAG, run.info.status.lower())
        words.append(f"{run.info.run_name}: {reason}")
        ends.add("KILLED" if left else run.info.status)
    return words, ends == {"KILLED"}


def _end_as_killed(client: Any, run: Any) -> None:
    client.set_tag(run.info.run_id, FAILURE_TAG, LEFT)
    client.set_terminated(run.info.run_id, "KILLED")


def end_what_is_left(client: Any, experiment_id: str) -> None:
    """End, as killed, runs whose process on this computer is gone, unless a step is at work in them.

    So end the runs of steps, and those of pipelines, also if all their steps have ended well.

    A process that is killed cannot end its run in MLflow, so the next one does.
    """
    running = client.search_runs([experiment_id], "attributes.status = 'RUNNING'")
    gone = [run for run in running if is_gone(run.data.tags.get(PROCESS_TAG, ""))]
    at_work = {_parent_of(run) for run in running if run not in gone}
    abandoned = {_parent_of(run) for run in gone} | {run.info.run_id for run in gone}
    for run in running:
        if run.info.run_id in abandoned - at_work:
            _end_as_killed(client, run)


def _parent_of(run: Any) -> str:
    parent: str = run.data.tags.get(PARENT_TAG, "")
    return parent


@contextmanager
def ended(end: Callable[[str, str], None]) -> Iterator[None]:
    """Call `end` after the block with the status of the run and the reason if it failed.

    The status is FINISHED, KILLED after a signal, or FAILED after another exception. A signal that arrives meanwhile
    waits: processes that train together fail at once when one has died, and are then stopped as well.
    """
    status, failure = "FAILED", ""
    try:
        yield
        status = "FINISHED"
    except KeyboardInterrupt:
        status = "KILLED"
        raise
    except Exception as error:
        failure = first_line(error)[:FAILURE_LENGTH]
        raise
    finally:
        with undisturbed(ending=status != "FINISHED"):
            end(status, failure)


@contextmanager
def parent_run(parameters: Mapping[str, Any]) -> Iterator[Any]:
    """Yield the pipeline's run. A launcher ends its own run; without a launcher, the run ends with the block.

    FABGAN_RUN comes first: Kubeflow's own MLflow plugin gives each pod a run of its own by MLFLOW_RUN_ID, and steps
    must meet in one.
    """
    import mlflow

    launched = os.environ.pop("MLFLOW_RUN_ID", None)  # mlflow must not see it in between, and later calls need it
    try:
        if launched is not None and not os.environ.get("FABGAN_RUN"):
            yield mlflow.MlflowClient().get_run(launched)
        else:
            with _own_run(mlflow.MlflowClient(), parameters) as run:
                yield run
    finally:
        if launched is not None:
            os.environ["MLFLOW_RUN_ID"] = launched


@contextmanager
def _own_run(client: Any, parameters: Mapping[str, Any]) -> Iterator[Any]:
    open_experiment(client, EXPERIMENT)
    run = _pipeline_run(client, parameters)
    if os.environ.get("FABGAN_RUN"):
        yield run
        return
    client.set_tag(run.info.run_id, PROCESS_TAG, this_process())

    def end(status: str, failure: str) -> None:
        with warn_on_failure("pipeline", "MLflow still shows its run as running"):
            client.set_terminated(run.info.run_id, status)

    with ended(end):
        yield run


def _pipeline_run(client: Any, parameters: Mapping[str, Any]) -> Any:
    """Return the run with the pipeline's tag; create it with these parameters if there is none."""
    import mlflow

    commit = git_commit()
    identity = os.environ.get("FABGAN_RUN") or digest([parameters, commit])
    experiment_id = client.get_experiment_by_name(EXPERIMENT).experiment_id
    end_what_is_left(client, experiment_id)
    found = client.search_runs([experiment_id], f"tags.`{PIPELINE_TAG}` = '{identity}'", max_results=1)
    if found:
        client.update_run(found[0].info.run_id, status="RUNNING")
        return found[0]
    name = os.environ.get("DVC_EXP_NAME") or f"pipeline-{identity[:8]}"
    run = client.create_run(experiment_id, run_name=name, tags={PIPELINE_TAG: identity, "git_commit": commit})
    mlflow.log_params(flat(parameters), run_id=run.info.run_id)
    return run


def flat(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Return a section without nesting: the keys of inner sections begin with the name of theirs."""
    values: dict[str, Any] = {}
    for key, value in section.items():
        if isinstance(value, Mapping):
            values |= flat(value, f"{prefix}{key}.")
        else:
            values[f"{prefix}{key}"] = value
    return values
