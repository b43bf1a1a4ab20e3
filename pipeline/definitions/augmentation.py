"""The augmentation pipeline: several pods fill a bucket with images of a registered generator, under one manifest."""

from dataclasses import asdict
from typing import Any

from kfp import dsl

from . import steps
from .cluster import Placement
from .explained import explain
from .parameters import KubeflowParameters
from .tasks import Tasks

NAME = "fabgan-augmentation"
DESCRIPTION = (
    "Make images with a registered generator in parallel pods, and put them into a bucket under one manifest.\n\n"
    "**destination** has no default. There is a *champion* only once a generator was registered that is not refused."
)


def augmentation_pipeline(image: str, params: Any, cluster: KubeflowParameters, place: Placement) -> Any:
    """Return the pipeline for a container image; `params`, a params.yaml, gives the default name of the model."""
    tasks = Tasks(image, place)
    sizes = {name: asdict(size) for name, size in cluster.sizes.items()}

    @dsl.pipeline(name=NAME, display_name="fabgan: make images for a training set", description=DESCRIPTION)
    def pipeline(
        destination: str,
        count: int = 10_000,
        images_per_file: int = 1,
        label: str = "",
        model: str = f"models:/{params['publish']['model_name']}@champion",
        pod_size: str = cluster.size,
        seed: int = 1,
        shards: int = 8,
    ) -> None:
        """Make images with a registered generator in parallel pods, and put them into a bucket under one manifest.

        Args:
            destination: Where the images go: s3://bucket/prefix. A failed run that is started again makes only the
                missing images.
            count: Number of images.
            images_per_file: 1 for PNG files. More for tar files of so many images, in the WebDataset layout, for large
                sets; 250 is a good number.
            label: Class of the images, for a generator trained with labels; empty for all classes.
            model: Generator in MLflow: models:/NAME@ALIAS or models:/NAME/NUMBER. The run pins it to a version when it
                starts.
            pod_size: CPU and memory of each pod.
            seed: The same seed gives the same images, for any number of shards.
            shards: Number of pods that share the work.
        """
        plan = tasks.add(
            steps.plan_augmentation,
            "settings",
            sizes=sizes,
            count=count,
            destination=destination,
            images_per_file=images_per_file,
            label=label,
            model=model,
            pod_size=pod_size,
            seed=seed,
            shards=shards,
        ).set_caching_options(False)
        with dsl.ParallelFor(plan.outputs["Output"], name="shards") as shard:
            made = tasks.after(plan).add(steps.augment, "augment", shard=shard).set_caching_options(False)
        tasks.add(steps.gather, "finish", shards=plan.outputs["Output"]).set_caching_options(False).after(made)

    return explain(pipeline, {"pod_size": sizes})
