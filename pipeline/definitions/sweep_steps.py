"""The components of the sweep pipeline, as thin as those in steps.py, and for the same reasons."""

from typing import NamedTuple

from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output


def plan_sweep(
    params: dict,  # type: ignore[type-arg]
    sizes: dict,  # type: ignore[type-arg]
    data_source: str,
    data_version: str,
    image_sizes_px: list,  # type: ignore[type-arg]
    labels_file: str,
    lot_pattern: str,
    package_boxes: str,
    package_find: str,
    pod_gpus: int,
    pod_size: str,
    total_images: int,
) -> NamedTuple(  # type: ignore
    "Plan",
    ingest=dict,
    crop_resize=dict,
    train=dict,
    evaluate=dict,
    publish=dict,
    cpu=str,
    memory=str,
    cpu_limit=str,
    memory_limit=str,
    gpus=str,
):
    """Check the parameters, pin the data to a commit or a state of the bucket, and open the run in MLflow."""
    from collections import namedtuple

    from fabgan.pipeline.pod import sizing, sweeping

    form = {
        "data_source": data_source,
        "data_version": data_version,
        "labels_file": labels_file,
        "lot_pattern": lot_pattern,
        "package_boxes": package_boxes,
        "package_find": package_find,
        "total_images": total_images,
    }
    found = sizing.resources(sizes, pod_size, pod_gpus) | sweeping.plan(params, form, image_sizes_px)
    return namedtuple("Plan", found)(**found)


def trainings(
    params: dict,  # type: ignore[type-arg]
    variants: list,  # type: ignore[type-arg]
    sizes_px: list,  # type: ignore[type-arg]
    seeds: list,  # type: ignore[type-arg]
    training_gpus: int,
) -> list:  # type: ignore[type-arg]
    """List the parameters of every training: each variant at each size with each seed."""
    from fabgan.pipeline.pod import sweeping

    return sweeping.trainings(params, variants, sizes_px, seeds, training_gpus)


def train_one(
    training: str,
    gpus: int,
    packages: Input[Dataset],
    generator: Output[Model],
    report: Output[Artifact],
    metrics: Output[Metrics],
) -> None:
    """Train one generator of a sweep; `training` is its section as JSON."""
    import json

    from fabgan.pipeline.pod import run

    section = json.loads(training)
    run.name_run(section)
    paths = {"packages": packages.path, "generator": generator.path, "report": report.path}
    run.train(section, metrics, gpus, **paths)


def measure(
    params: dict,  # type: ignore[type-arg]
    training: str,
    packages: Input[Dataset],
    generator: Input[Model],
    report: Input[Artifact],
    evaluation: Output[Artifact],
    metrics: Output[Metrics],
) -> dict:  # type: ignore[type-arg]
    """Measure the generator of one training against held-out images; return a row of the table."""
    import json

    from fabgan.pipeline.pod import run

    section = json.loads(training)
    run.name_run(section)
    paths = {"packages": packages.path, "generator": generator.path, "training": report.path}
    found = run.step("evaluate", params, metrics, report=evaluation.path, **paths)
    return {axis: section[axis] for axis in run.AXES} | found


def compare(rows: list, page: Output[HTML]) -> None:  # type: ignore[type-arg]
    """Show the rows of all trainings in one table, best first within each size."""
    from fabgan.pipeline.pod import sweeping

    sweeping.compare(page.path, rows)
