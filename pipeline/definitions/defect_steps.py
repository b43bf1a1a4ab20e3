"""The components of the defects pipeline, as thin as those in steps.py, and for the same reasons."""

from typing import NamedTuple

from kfp.dsl import HTML, Dataset, Input, Metrics, Model, Output


def plan_defects(
    params: dict,  # type: ignore[type-arg]
    sizes: dict,  # type: ignore[type-arg]
    annotations: str,
    data_source: str,
    data_version: str,
    image_size_px: int,
    images: int,
    layout: str,
    lot_pattern: str,
    model_name: str,
    package_boxes: str,
    package_find: str,
    pod_size: str,
    runs: int,
    seed: int,
    steps: int,
) -> NamedTuple(  # type: ignore
    "Plan",
    ingest=dict,
    crop_resize=dict,
    training=dict,
    making=dict,
    cpu=str,
    memory=str,
    cpu_limit=str,
    memory_limit=str,
):
    """Check the parameters, pin the data to a commit or a state of the bucket, and open the run in MLflow."""
    from collections import namedtuple

    from fabgan.pipeline.pod import defects, sizing

    form = {
        "annotations": annotations,
        "data_source": data_source,
        "data_version": data_version,
        "image_size_px": image_size_px,
        "images": images,
        "layout": layout,
        "lot_pattern": lot_pattern,
        "model_name": model_name,
        "package_boxes": package_boxes,
        "package_find": package_find,
        "runs": runs,
        "seed": seed,
        "steps": steps,
    }
    found = sizing.resources(sizes, pod_size) | defects.plan(params, form)
    return namedtuple("Plan", found)(**found)


def train_defects(
    training: dict,  # type: ignore[type-arg]
    model_name: str,
    packages: Input[Dataset],
    model: Output[Model],
    page: Output[HTML],
    metrics: Output[Metrics],
) -> NamedTuple("Publication", registered=str):  # type: ignore
    """Train the defect model, judge what its images are worth, and register it in MLflow.

    Args:
        training: Settings of the training: size_px, steps, runs and seed.
        model_name: Name of the registered model in MLflow.
        packages: Packages of crop_resize with annotated defects.
        model: Weights in safetensors, and a card in JSON with what the images of each kind are worth.
        page: Page that shows what each kind gains.
        metrics: Gains of the inspection model, and figures of the training.

    Returns:
        registered: The version in MLflow with its aliases.
    """
    from collections import namedtuple

    from fabgan.pipeline.pod import defects, describing, run

    registered = defects.train(training, metrics, model_name, packages=packages.path, model=model.path)
    run.show_page(model.path, defects.PAGE, page.path)
    model.metadata.update(describing.defect_model(model.path))
    return namedtuple("Publication", ["registered"])(registered)


def make_defects(
    making: dict,  # type: ignore[type-arg]
    registered: str,
    packages: Input[Dataset],
    model: Input[Model],
    images: Output[Dataset],
    contact_sheet: Output[HTML],
    metrics: Output[Metrics],
) -> None:
    """Make images with defects and masks, of the kinds that the model recommends.

    Args:
        making: Settings of the images: size_px, images, per_kind or counts, layout and seed.
        registered: Output registered of train_defects, which is recorded in MLflow.
        packages: Packages of crop_resize with annotated defects.
        model: The model of train_defects.
        images: Images with masks, boxes and kinds, in the layout that was asked for.
        contact_sheet: Page that shows some of the images.
        metrics: Number of images.
    """
    from fabgan.pipeline.pod import defects, run

    defects.make(making, metrics, registered, packages=packages.path, model=model.path, images=images.path)
    run.show_page(images.path, run.SHEET, contact_sheet.path)
