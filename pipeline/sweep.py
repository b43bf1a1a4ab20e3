"""The sweep: every variant at every size with every seed, trained side by side on the same data, in one table."""

from collections.abc import Mapping
from typing import Any

from kfp import dsl

from pipeline import components
from pipeline.cluster import Place
from pipeline.components import Components
from pipeline.training import steps_of

NAME = "fabgan-sweep"
AT_ONCE = 4


def sweep_pipeline(image: str, params: Mapping[str, Any], place: Place) -> Any:
    """Return the pipeline for an image; what its form does not ask for comes from a params.yaml."""
    of = Components(image).of
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
        """Train every variant at every size with every seed on the same data, and show them in one table.

        Args:
            data_source: Photographs: s3://bucket/prefix, or git+https://host/repository.git#path of a DVC repository;
                or rendered.yaml for the embedded frames.
            data_revision: Tag, branch or commit of the DVC repository; empty for its newest. It is pinned to a commit
                when the run starts.
            variants: Any of seamless and paper.
            sizes_px: Sides of the generated images, powers of two.
            seeds: Trainings that differ in their seed show what is chance.
            total_images: The budget of each training: how many real images it shows in all.
            gpus: GPUs of each training pod; 0 trains on the CPU.
        """
        plan = place(
            of(components.plan_sweep)(
                params=steps_of(params),
                data_source=data_source,
                data_revision=data_revision,
                sizes_px=sizes_px,
                total_images=total_images,
            ),
            "settings",
        ).set_caching_options(False)
        trainings = place(
            of(components.trainings)(params=plan.outputs["train"], variants=variants, sizes_px=sizes_px, seeds=seeds),
            "settings",
        )
        ingest = place(of(components.ingest)(params=plan.outputs["ingest"]), "ingest")
        crop_resize = place(
            of(components.crop_resize)(params=plan.outputs["crop_resize"], frames=ingest.outputs["frames"]),
            "crop_resize",
        )
        packages = crop_resize.outputs["packages"]
        with dsl.ParallelFor(trainings.output, name="trainings", parallelism=AT_ONCE) as training:
            train = place(of(components.train)(params=training, gpus=gpus, packages=packages), "train", gpus)
            measured = place(
                of(components.measure)(
                    params=params["evaluate"],
                    training=training,
                    packages=packages,
                    generator=train.outputs["generator"],
                ),
                "evaluate",
            )
        place(of(components.compare)(rows=dsl.Collected(measured.outputs["Output"])), "finish")

    return pipeline
