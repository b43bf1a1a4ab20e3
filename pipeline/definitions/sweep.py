"""The sweep pipeline: train every variant at every size with every seed on the same data, compared in one table."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

from kfp import dsl

from fabgan.components.crop_resize.parameters import Find

from . import steps, sweep_steps
from .cluster import Placement
from .explained import explain
from .parameters import KubeflowParameters
from .tasks import Tasks
from .training import steps_of

NAME = "fabgan-sweep"
MAX_PARALLEL_TRAININGS = 4
DESCRIPTION = (
    "Train every variant at every size with every seed on the same data, and compare them in one table.\n\n"
    "The table is the artifact `page` of the step `compare`, tab *Visualization*. Nothing is registered."
)


def sweep_pipeline(image: str, params: Mapping[str, Any], cluster: KubeflowParameters, place: Placement) -> Any:
    """Return the pipeline for a container image; `params`, a params.yaml, gives the form's defaults and the rest."""
    tasks = Tasks(image, place)
    ingest_defaults, train_defaults = params["ingest"], params["train"]
    sizes = {name: asdict(size) for name, size in cluster.sizes.items()}
    variants, image_sizes_px = ["seamless", "paper"], [train_defaults["image_size_px"]]

    @dsl.pipeline(name=NAME, display_name="fabgan: compare variants, sizes and seeds", description=DESCRIPTION)
    def pipeline(
        data_source: str = ingest_defaults["source"],
        data_version: str = ingest_defaults["revision"],
        image_sizes_px: list = image_sizes_px,  # type: ignore[type-arg]
        labels_file: str = ingest_defaults["labels_file"],
        lot_pattern: str = ingest_defaults["lot_pattern"],
        package_boxes: str = ingest_defaults["boxes"],
        package_find: str = params["crop_resize"]["find"],
        pod_gpus: int = 0,
        pod_size: str = cluster.size,
        seeds: list = [1, 2, 3],  # type: ignore[type-arg]  # noqa: B006
        total_images: int = train_defaults["total_images"],
        variants: list = variants,  # type: ignore[type-arg]
    ) -> None:
        """Train every variant at every size with every seed on the same data, and compare them in one table.

        Args:
            data_source: Where the photographs are: s3://bucket/prefix, or git+https://host/repository.git#path for a
                DVC repository. data/rendered.yaml renders the embedded data set instead.
            data_version: Tag, branch or commit of the DVC repository; empty for the newest commit. The run pins it to
                a commit when it starts.
            image_sizes_px: List of sides of the generated images in pixels, each a power of two from 64 to 4096.
            labels_file: CSV file in the source with the columns file and label; empty for none.
            lot_pattern: How lots are told: a regular expression over the path below the source, whose first group is
                the lot. The description of the training pipeline has examples.
            package_boxes: Where in the source the packages are annotated, for the box of package_find: a file, a
                folder or a pattern such as *.json, in the format of COCO, labelme, YOLO or VOC, or masks; empty for
                none.
            package_find: How packages are cut out: outline finds them, whole takes photographs that were cut out
                already, box takes the boxes that are annotated.
            pod_gpus: Number of GPUs of each training pod; 0 trains on the CPU.
            pod_size: CPU and memory of each pod. Up to four trainings run at once.
            seeds: List of seeds. Trainings that differ only in the seed show how much is chance.
            total_images: Budget of each training: how many real images it shows in total.
            variants: List of models to train, out of seamless and paper.
        """
        finish = tasks.add(steps.finish, "finish").set_caching_options(False)
        with dsl.ExitHandler(finish, name="steps"):
            plan = tasks.add(
                sweep_steps.plan_sweep,
                "settings",
                params=steps_of(params),
                sizes=sizes,
                data_source=data_source,
                data_version=data_version,
                image_sizes_px=image_sizes_px,
                labels_file=labels_file,
                lot_pattern=lot_pattern,
                package_boxes=package_boxes,
                package_find=package_find,
                pod_gpus=pod_gpus,
                pod_size=pod_size,
                total_images=total_images,
            ).set_caching_options(False)
            axes = {"variants": variants, "sizes_px": image_sizes_px, "seeds": seeds, "training_gpus": pod_gpus}
            trainings = tasks.add(sweep_steps.trainings, "settings", params=plan.outputs["train"], **axes)
            sized = tasks.after(plan)
            packages = sized.add_packages()[1].outputs["packages"]
            with dsl.ParallelFor(trainings.output, name="trainings", parallelism=MAX_PARALLEL_TRAININGS) as training:
                train = sized.add(sweep_steps.train_one, "train", training=training, gpus=pod_gpus, packages=packages)
                measured = sized.add(
                    sweep_steps.measure,
                    "evaluate",
                    params=params["evaluate"],
                    training=training,
                    packages=packages,
                    generator=train.outputs["generator"],
                    report=train.outputs["report"],
                )
            tasks.add(sweep_steps.compare, "finish", rows=dsl.Collected(measured.outputs["Output"]))

    return explain(pipeline, {"package_find": get_args(Find), "pod_size": sizes})
