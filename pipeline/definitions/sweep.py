"""The sweep pipeline: train every variant at every size with every seed on the same data, compared in one table."""

from collections.abc import Mapping
from typing import Any

from kfp import dsl

from . import steps
from .cluster import Placement
from .tasks import Tasks
from .training import steps_of

NAME = "fabgan-sweep"
MAX_PARALLEL_TRAININGS = 4


def sweep_pipeline(image: str, params: Mapping[str, Any], place: Placement) -> Any:
    """Return the pipeline for a container image; `params`, a params.yaml, gives the form's defaults and the rest."""
    tasks = Tasks(image, place)
    ingest_defaults, train_defaults = params["ingest"], params["train"]
    variants, sizes_px = ["seamless", "paper"], [train_defaults["image_size_px"]]

    @dsl.pipeline(name=NAME, display_name="fabgan: compare variants, sizes and seeds")
    def pipeline(
        data_source: str = ingest_defaults["source"],
        data_revision: str = ingest_defaults["revision"],
        variants: list = variants,  # type: ignore[type-arg]
        sizes_px: list = sizes_px,  # type: ignore[type-arg]
        seeds: list = [1, 2, 3],  # type: ignore[type-arg]  # noqa: B006
        total_images: int = train_defaults["total_images"],
        gpus: int = 0,
    ) -> None:
        """Train every variant at every size with every seed on the same data, and compare them in one table.

        Args:
            data_source: Where the photographs are: s3://bucket/prefix, or git+https://host/repository.git#path for a
                DVC repository. data/rendered.yaml renders the embedded data set instead.
            data_revision: Tag, branch or commit of the DVC repository; empty for the newest commit. The run pins it to
                a commit when it starts.
            variants: List of models to train, out of seamless and paper.
            sizes_px: List of sides of the generated images in pixels, each a power of two from 64 to 4096.
            seeds: List of seeds. Trainings that differ only in the seed show how much is chance.
            total_images: Budget of each training: how many real images it shows in total.
            gpus: Number of GPUs of each training pod; 0 trains on the CPU.
        """
        finish = tasks.add(steps.finish, "finish").set_caching_options(False)
        with dsl.ExitHandler(finish, name="steps"):
            plan = tasks.add(
                steps.plan_sweep,
                "settings",
                params=steps_of(params),
                data_source=data_source,
                data_revision=data_revision,
                sizes_px=sizes_px,
                total_images=total_images,
            ).set_caching_options(False)
            axes = {"variants": variants, "sizes_px": sizes_px, "seeds": seeds, "training_gpus": gpus}
            trainings = tasks.add(steps.trainings, "settings", params=plan.outputs["train"], **axes)
            packages = tasks.add_packages(plan.outputs)
            with dsl.ParallelFor(trainings.output, name="trainings", parallelism=MAX_PARALLEL_TRAININGS) as training:
                train = tasks.add(steps.train_one, "train", training=training, gpus=gpus, packages=packages)
                measured = tasks.add(
                    steps.measure,
                    "evaluate",
                    params=params["evaluate"],
                    training=training,
                    packages=packages,
                    generator=train.outputs["generator"],
                    report=train.outputs["report"],
                )
            tasks.add(steps.compare, "finish", rows=dsl.Collected(measured.outputs["Output"]))

    return pipeline
