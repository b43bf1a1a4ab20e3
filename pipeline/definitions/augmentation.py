"""Augmentation at scale: a registered generator fills a bucket, shard by shard, under one manifest."""

from typing import Any

from kfp import dsl

from . import steps
from .cluster import Place
from .tasks import Tasks

NAME = "fabgan-augmentation"


def augmentation_pipeline(image: str, params: Any, place: Place) -> Any:
    """Return the pipeline for an image; the model's default name comes from a params.yaml."""
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
        """Make images with a registered generator, in parallel, and put them into a bucket under one manifest.

        Args:
            destination: s3://bucket/prefix for the images. A failed run, started again, makes what is missing.
            model: models:/NAME@ALIAS or models:/NAME/NUMBER; pinned to a version when the run starts.
            count: How many images.
            shards: How many pods share the work.
            seed: The same seed gives the same images, whatever the number of shards.
            label: Class of the images, of a generator that was trained with labels; empty for all.
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
