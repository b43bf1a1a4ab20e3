"""Which pipelines in MLflow are old and of no more use: their runs, and the versions that these registered.

A pipeline goes as a whole, or not at all. It stays while a step of it runs, if it ended only lately, and if one of its
runs holds a version that stays. A version stays if it has an alias, is among the last ones of its model, or was not
registered by `publish`. Versions are deleted for good. Runs are only marked as deleted: MLflow's own `mlflow gc`
removes them with their files, and until then MLflow can restore them.
"""

from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from typing import Any

from ...core.errors import UserError
from ...core.leftovers import Leftover, age, before
from .pipelines import EXPERIMENT, PARENT_TAG, PIPELINE_TAG
from .promotion import DECISION
from .registry import Registry, Version
from .store import failures_told, mlflow_errors, paged
from .turns import turn

ENDED = ("FINISHED", "FAILED", "KILLED")
WHAT = "retention"


def old_pipelines(older_than_days: float, keep: int) -> list[Leftover]:
    """Return the pipelines that may go. Of each model, the last `keep` versions stay.

    Raises UserError if MLflow cannot be used; `remove` of a pipeline does so too, and if one of its versions got an
    alias meanwhile.
    """
    with mlflow_errors(WHAT) as mlflow:
        registry, client = Registry(), mlflow.MlflowClient()
        versions = registry.every_version()
        expendable = _expendable(registry, versions, keep)
        uris = {version.uri for version in expendable}
        kept = [version for version in versions if version.uri not in uris]
        old = [runs for runs in _pipelines(client) if _ended_s(runs) <= before(older_than_days)]
        return [_leftover(registry, runs, expendable) for runs in old if not _versions_of(runs, kept)]


def _expendable(registry: Registry, versions: list[Version], keep: int) -> list[Version]:
    """Return the versions that `publish` registered and decided about, without an alias and not among the last."""
    by_model: dict[str, list[Version]] = defaultdict(list)
    for version in versions:
        by_model[version.name].append(version)
    found = []
    for name, own in by_model.items():
        ours = [version for version in own[:-keep] if DECISION in version.tags and not version.is_copy]
        in_use = set(registry.aliases_of_model(name).values()) if ours else set()
        found += [version for version in ours if version.number not in in_use]
    return found


def _versions_of(runs: list[Any], versions: list[Version]) -> list[Version]:
    """Return those of the versions that have their files in one of the runs."""
    own = {run.info.run_id for run in runs}
    return [version for version in versions if version.run_id in own]


def _pipelines(client: Any) -> Iterable[list[Any]]:
    """Return the runs of each pipeline: those of its steps, and its own as the last one."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    every = list(paged(partial(client.search_runs, [experiment.experiment_id]))) if experiment else []
    steps: dict[str, list[Any]] = defaultdict(list)
    for run in every:
        steps[run.data.tags.get(PARENT_TAG, "")].append(run)
    return [[*steps[run.info.run_id], run] for run in every if PIPELINE_TAG in run.data.tags]


def _ended_s(runs: list[Any]) -> float:
    """Return when the last of some runs ended, or infinity if one of them has not."""
    infinity = float("inf")
    return max(run.info.end_time / 1000 if run.info.status in ENDED else infinity for run in runs)


def _leftover(registry: Registry, runs: list[Any], expendable: list[Version]) -> Leftover:
    import mlflow

    client, versions = mlflow.MlflowClient(), _versions_of(runs, expendable)
    named = [f"{version.uri} ({version.tags.get('verdict', 'superseded')})" for version in versions]
    with failures_told(f"the files of {runs[-1].info.run_name}", registry.uri, Exception):
        size_bytes = sum(_size_bytes(client, run.info.run_id) for run in runs)

    def remove() -> None:
        with mlflow_errors(WHAT):
            for version in versions:
                _delete(registry, version)
            for run in runs:
                client.delete_run(run.info.run_id)

    return Leftover(
        f"pipeline {runs[-1].info.run_name}",
        size_bytes,
        f"ended {age(_ended_s(runs))}, {'registered only ' + ', '.join(named) if named else 'has no version'}",
        remove,
    )


def _delete(registry: Registry, version: Version) -> None:
    """Delete a version while no publisher is at work, unless it got an alias meanwhile."""
    with turn(registry, version.name):
        if aliases := registry.aliases(version):
            raise UserError(f"{version.uri}: got the alias {aliases[0]} meanwhile, so it stays; run the same again")
        registry.delete(version)


def _size_bytes(client: Any, run_id: str, path: str | None = None) -> int:
    """Return the size of the files of a run below a path."""
    files = client.list_artifacts(run_id, path)
    return sum(_size_bytes(client, run_id, file.path) if file.is_dir else file.file_size or 0 for file in files)
