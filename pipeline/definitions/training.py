"""The training pipeline: settings, ingest, crop_resize, train, evaluate, publish."""

from collections.abc import Mapping
from typing import Any

from kfp import dsl

from fabgan.components.steps import STEPS

from . import steps
from .cluster import Placement
from .tasks import Tasks

NAME = "fabgan-training"


def steps_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections of a params.yaml that belong to steps."""
    return {name: params[name] for name in STEPS}


def training_pipeline(image: str, params: Mapping[str, Any], place: Placement) -> Any:
    """Return the pipeline for a container image; `params`, a params.yaml, gives the form's defaults and the rest."""
    tasks = Tasks(image, place)
    ingest_defaults, train_defaults, evaluate_defaults = params["ingest"], params["train"], params["evaluate"]

    @dsl.pipeline(name=NAME, display_name="fabgan: train and register a generator")
    def pipeline(
        data_source: str = ingest_defaults["source"],
        data_revision: str = ingest_defaults["revision"],
        image_size_px: int = train_defaults["image_size_px"],
        variant: str = train_defaults["variant"],
        total_images: int = train_defaults["total_images"],
        seed: int = train_defaults["seed"],
        max_distance: float = evaluate_defaults["max_distance"],
        min_share: float = evaluate_defaults["min_share"],
        min_ser: float = evaluate_defaults["min_ser"],
        max_ser: float = evaluate_defaults["max_ser"],
        model_name: str = params["publish"]["model_name"],
        gpus: int = 0,
    ) -> None:
        """Train a generator of package images, evaluate it, and register it in MLflow with its verdict.

        Args:
            data_source: Where the photographs are: s3://bucket/prefix, or git+https://host/repository.git#path for a
                DVC repository. data/rendered.yaml renders the embedded data set instead.
            data_revision: Tag, branch or commit of the DVC repository; empty for the newest commit. The run pins it to
                a commit when it starts.
            image_size_px: Side of the generated images in pixels, a power of two from 64 to 4096.
            variant: Model to train: seamless, or paper for the source paper's model.
            total_images: Training budget: how many real images training shows in total.
            seed: Seed of all random draws; another seed trains another generator.
            max_distance: Verdict: how far distances may exceed those between real lots, in widths of their range.
            min_share: Verdict: minimum precision, recall and coverage, relative to those between real lots.
            min_ser: Verdict: minimum seam excess ratio (1 = as real).
            max_ser: Verdict: maximum seam excess ratio (1 = as real).
            model_name: Name of the registered model in MLflow.
            gpus: Number of GPUs of the training pod; 0 trains on the CPU.
        """
        finish = tasks.add(steps.finish, "finish").set_caching_options(False)
        with dsl.ExitHandler(finish, name="steps"):
            settings = tasks.add(
                steps.settings,
                "settings",
                params=steps_of(params),
                data_source=data_source,
                data_revision=data_revision,
                image_size_px=image_size_px,
                variant=variant,
                total_images=total_images,
                seed=seed,
                max_distance=max_distance,
                min_share=min_share,
                min_ser=min_ser,
                max_ser=max_ser,
                model_name=model_name,
                training_gpus=gpus,
            )
            of_step = settings.set_caching_options(False).outputs
            packages = tasks.add_packages(of_step)
            train = tasks.add(steps.train, "train", params=of_step["train"], gpus=gpus, packages=packages)
            made = {"packages": packages, "generator": train.outputs["generator"]}
            evaluate = tasks.add(
                steps.evaluate, "evaluate", params=of_step["evaluate"], training=train.outputs["report"], **made
            )
            evaluate.set_caching_options(False)  # what it records belongs to every run
            evaluation, sections = evaluate.outputs["evaluation"], {"params": "publish", "measured_with": "evaluate"}
            read = {name: of_step[section] for name, section in sections.items()}
            publish = tasks.add(steps.publish, "publish", evaluation=evaluation, **read, **made)
            publish.set_caching_options(False)

    return pipeline
