"""The augmentation pipeline: several pods fill a bucket with images of a registered generator, under one manifest."""

from typing import Any

from kfp import dsl

from . import steps
from .cluster import Placement
from .tasks import Tasks

NAME = "fabgan-augmentation"


def augmentation_pipeline(image: str, params: Any, place: Placement) -> Any:
    """Return the pipeline for a container image; `params`, a params.yaml, gives the default name of the model."""
    tasks = Tasks(image, place)

    @dsl.pipeline(name=NAME, display_name="fabgan: make images for a training set")
    def pipeline(
        destination: str,
        model: str = f"models:/{params['publish']['model_name']}@champion",
        count: int = 10_000,
        shards: int = 8,
        seed: int = 1,
        label: str = "",
    ) -> None:
        """Make images with a registered generator in parallel pods, and put them into a bucket under one manifest.

        Args:
            destination: Where the images go: s3://bucket/prefix. A failed run that is started again makes only the
                missing images.
            model: Generator in MLflow: models:/NAME@ALIAS or models:/NAME/NUMBER. The run pins it to a version when it
                starts.
            count: Number of images.
            shards: Number of pods that share the work.
            seed: The same seed gives the same images, for any number of shards.
            label: Class of the images, for a generator trained with labels; empty for all classes.
        """
        plan = tasks.add(
            steps.plan_augmentation,
            "settings",
            model=model,
            count=count,
            shards=shards,
            seed=seed,
            label=label,
            destination=destination,
        ).set_caching_options(False)
        with dsl.ParallelFor(plan.output, name="shards") as shard:
            made = tasks.add(steps.augment, "augment", shard=shard).set_caching_options(False)
        tasks.add(steps.gather, "finish", shards=plan.output).set_caching_options(False).after(made)

    return pipeline
