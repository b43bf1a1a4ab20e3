"""The steps as Kubeflow components: thin functions that call fabgan in the container image.

Kubeflow copies the source of each function into the compiled pipeline and runs it in the image. fabgan is installed
there, so a run fetches no packages. Because only its own source is copied, each function imports what it uses.
"""

from typing import NamedTuple

from kfp import dsl
from kfp.dsl import HTML, Artifact, Dataset, Input, Metrics, Model, Output


def settings(
    params: dict,  # type: ignore[type-arg]
    sizes: dict,  # type: ignore[type-arg]
    data_source: str,
    data_version: str,
    image_size_px: int,
    labels_file: str,
    lot_pattern: str,
    model_name: str,
    package_boxes: str,
    package_find: str,
    pod_gpus: int,
    pod_size: str,
    seed: int,
    total_images: int,
    variant: str,
) -> NamedTuple(  # type: ignore
    "Sections",
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

    from fabgan.pipeline.pod import run, sizing

    form = {
        "data_source": data_source,
        "data_version": data_version,
        "image_size_px": image_size_px,
        "labels_file": labels_file,
        "lot_pattern": lot_pattern,
        "model_name": model_name,
        "package_boxes": package_boxes,
        "package_find": package_find,
        "seed": seed,
        "total_images": total_images,
        "variant": variant,
    }
    found = sizing.resources(sizes, pod_size, pod_gpus) | run.settings(params, form, pod_gpus)
    return namedtuple("Sections", found)(**found)


def ingest(
    params: dict,  # type: ignore[type-arg]
    frames: Output[Dataset],
    contact_sheet: Output[HTML],
    metrics: Output[Metrics],
) -> None:
    """Fetch photographs, or render frames; verify them and list them in a manifest.

    Args:
        params: The section ingest of params.yaml, with the source of the photographs.
        frames: The photographs that were accepted, and their manifest.
        contact_sheet: Page that shows what was accepted, and what was not and why.
        metrics: Numbers of photographs, lots and rejections.
    """
    from fabgan.pipeline.pod import describing, run

    run.step("ingest", params, metrics, output=frames.path)
    frames.metadata.update(describing.frames(frames.path))
    run.show_page(frames.path, run.SHEET, contact_sheet.path)


def crop_resize(
    params: dict,  # type: ignore[type-arg]
    frames: Input[Dataset],
    packages: Output[Dataset],
    contact_sheet: Output[HTML],
    metrics: Output[Metrics],
) -> None:
    """Find, straighten and cut out every package, and resize it.

    Args:
        params: The section crop_resize of params.yaml.
        frames: The frames of ingest.
        packages: Images of packages in every size, and their manifest.
        contact_sheet: Page that shows the packages, and the frames in which none was found.
        metrics: Numbers of packages and rejections.
    """
    from fabgan.pipeline.pod import describing, run

    run.step("crop_resize", params, metrics, frames=frames.path, output=packages.path)
    packages.metadata.update(describing.packages(packages.path))
    run.show_page(packages.path, run.SHEET, contact_sheet.path)


def train(
    params: dict,  # type: ignore[type-arg]
    gpus: int,
    packages: Input[Dataset],
    generator: Output[Model],
    report: Output[Artifact],
    metrics: Output[Metrics],
) -> None:
    """Train a generator. After an eviction, training resumes from the last checkpoint if a volume keeps checkpoints.

    Args:
        params: The section train of params.yaml.
        gpus: Number of GPUs that train together; 0 trains on the CPU.
        packages: The packages of crop_resize.
        generator: Weights in safetensors, and a card in JSON.
        report: Losses, and samples from the course of training.
        metrics: Final losses and figures of the training.
    """
    from fabgan.pipeline.pod import describing, run

    paths = {"packages": packages.path, "generator": generator.path, "report": report.path}
    run.train(params, metrics, gpus, **paths)
    generator.metadata.update(describing.generator(generator.path))


def evaluate(
    params: dict,  # type: ignore[type-arg]
    packages: Input[Dataset],
    generator: Input[Model],
    training: Input[Artifact],
    ingested: Input[Metrics],
    cropped: Input[Metrics],
    trained: Input[Metrics],
    evaluation: Output[Artifact],
    page: Output[HTML],
    metrics: Output[Metrics],
) -> NamedTuple("Outcome", verdict=str):  # type: ignore
    """Measure the generator against held-out images, give a verdict, and write the report page.

    Args:
        params: The section evaluate of params.yaml, with the limits of the verdict.
        packages: The packages of crop_resize, of which whole lots are held out.
        generator: The generator of train.
        training: The report of train.
        ingested: The metrics of ingest, recorded in MLflow if they came from the cache.
        cropped: The metrics of crop_resize, recorded likewise.
        trained: The metrics of train, recorded likewise.
        evaluation: The verdict in JSON, the report pages, and a sheet of samples.
        page: The report page, with real images.
        metrics: Every measure.

    Returns:
        verdict: The outcome in words, and what it was refused for.
    """
    from collections import namedtuple

    from fabgan.pipeline.pod import describing, run

    paths = {"packages": packages.path, "generator": generator.path, "training": training.path}
    before = {"ingest": ingested.path, "crop_resize": cropped.path, "train": trained.path}
    run.step("evaluate", params, metrics, report=evaluation.path, before=before, **paths)
    run.show_page(evaluation.path, run.REPORT, page.path)
    evaluation.metadata.update(describing.evaluation(evaluation.path))
    return namedtuple("Outcome", ["verdict"])(describing.verdict(evaluation.path))


def publish(
    params: dict,  # type: ignore[type-arg]
    measured_with: dict,  # type: ignore[type-arg]
    packages: Input[Dataset],
    generator: Input[Model],
    evaluation: Input[Artifact],
    receipt: Output[Artifact],
    page: Output[HTML],
    metrics: Output[Metrics],
) -> NamedTuple("Publication", registered=str):  # type: ignore
    """Measure the generator again and register it in MLflow, as candidate and perhaps as champion.

    Args:
        params: The section publish of params.yaml, with the name of the model.
        measured_with: The section evaluate of params.yaml, the same as for evaluate.
        packages: The packages of crop_resize.
        generator: The generator of train.
        evaluation: The evaluation of evaluate.
        receipt: What was registered, in JSON.
        page: Page with the measures beside those of the champion.
        metrics: Number of the version, and whether it is new and champion.

    Returns:
        registered: The version in MLflow with its aliases, and why it is champion or not.
    """
    from collections import namedtuple

    from fabgan.pipeline.pod import describing, run

    paths = {"packages": packages.path, "generator": generator.path, "evaluation": evaluation.path}
    run.step("publish", params, metrics, measured_with, receipt=receipt.path, page=page.path, **paths)
    receipt.metadata.update(describing.receipt(receipt.path))
    return namedtuple("Publication", ["registered"])(describing.registered(receipt.path))


def plan_augmentation(
    sizes: dict,  # type: ignore[type-arg]
    count: int,
    destination: str,
    images_per_file: int,
    label: str,
    model: str,
    pod_size: str,
    seed: int,
    shards: int,
) -> NamedTuple("Plan", Output=list, cpu=str, memory=str, cpu_limit=str, memory_limit=str):  # type: ignore
    """Pin the model to its version, and divide the images into shards, which are called Output.

    Kubeflow's local runner loops over no output of another name.
    """
    from collections import namedtuple

    from fabgan.pipeline.pod import augmenting, sizing

    images = {"model": model, "count": count, "seed": seed, "label": label, "images_per_file": images_per_file}
    form = images | {"destination": destination, "shards": shards}
    found = sizing.resources(sizes, pod_size) | {"Output": augmenting.plan(form)}
    return namedtuple("Plan", found)(**found)


def augment(shard: str, metrics: Output[Metrics]) -> None:
    """Make the images of one shard that the bucket lacks, and put them there."""
    from fabgan.pipeline.pod import augmenting

    augmenting.make(shard, metrics)


def gather(shards: list, metrics: Output[Metrics]) -> None:  # type: ignore[type-arg]
    """Write one manifest over all shards. Every image of every shard must be in the bucket."""
    from fabgan.pipeline.pod import augmenting

    augmenting.gather(shards, metrics)


def finish(status: dsl.PipelineTaskFinalStatus) -> None:
    """End the run in MLflow as finished, or as failed with the reason."""
    from fabgan.pipeline.pod import run

    run.finish(status)
