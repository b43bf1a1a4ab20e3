"""The training pipeline: settings, ingest, crop_resize, train, evaluate, publish."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

from kfp import dsl

from fabgan.components.crop_resize.parameters import Find
from fabgan.components.steps import STEPS
from fabgan.components.train.parameters import VariantName

from . import steps
from .cluster import Placement
from .explained import explain
from .parameters import KubeflowParameters
from .tasks import Tasks

NAME = "fabgan-training"
DESCRIPTION = (
    "Train a generator of package images, evaluate it, and register it in MLflow with its verdict.\n\n"
    "Every field has a default. Change **data_source** to where your photographs are, and **pod_size** to what your "
    "nodes can give. The report is the artifact `page` of the step `evaluate`, tab *Visualization*; the step's output "
    "`verdict` says the outcome in words."
)


def steps_of(params: Mapping[str, Any]) -> dict[str, Any]:
    """Return the sections of a params.yaml that belong to steps."""
    return {name: params[name] for name in STEPS}


def training_pipeline(image: str, params: Mapping[str, Any], cluster: KubeflowParameters, place: Placement) -> Any:
    """Return the pipeline for a container image; `params`, a params.yaml, gives the form's defaults and the rest."""
    tasks = Tasks(image, place)
    ingest_defaults, train_defaults = params["ingest"], params["train"]
    sizes = {name: asdict(size) for name, size in cluster.sizes.items()}

    @dsl.pipeline(name=NAME, display_name="fabgan: train a generator", description=DESCRIPTION)
    def pipeline(
        data_source: str = ingest_defaults["source"],
        data_version: str = ingest_defaults["revision"],
        image_size_px: int = train_defaults["image_size_px"],
        labels_file: str = ingest_defaults["labels_file"],
        lot_pattern: str = ingest_defaults["lot_pattern"],
        model_name: str = params["publish"]["model_name"],
        package_boxes: str = ingest_defaults["boxes"],
        package_find: str = params["crop_resize"]["find"],
        pod_gpus: int = 0,
        pod_size: str = cluster.size,
        seed: int = train_defaults["seed"],
        total_images: int = train_defaults["total_images"],
        variant: str = train_defaults["variant"],
    ) -> None:
        """Train a generator of package images, evaluate it, and register it in MLflow with its verdict.

        Args:
            data_source: Where the photographs are: s3://bucket/prefix, or git+https://host/repository.git#path for a
                DVC repository. data/rendered.yaml renders the embedded data set instead.
            data_version: Tag, branch or commit of the DVC repository; empty for the newest commit. The run pins it to
                a commit when it starts.
            image_size_px: Side of the generated images in pixels, a power of two from 64 to 4096.
            labels_file: CSV file in the source with the columns file and label, which name the class of a photograph;
                empty for none.
            lot_pattern: How lots are told: a regular expression over the path below the source, whose first group is
                the lot. `^([^/]+)/` takes the first folder, `^((?P<product>[^/]+)/[^/]+)/` a folder of each product
                with a folder of each lot, `([^/_]+)_[^/]*$` what stands before the first underscore of a file's name.
                Whole lots are held out, so at least two are needed.
            model_name: Name of the registered model in MLflow.
            package_boxes: Where in the source the packages are annotated, for the box of package_find: a file, a
                folder or a pattern such as *.json, in the format of COCO, labelme, YOLO or VOC, or masks; empty for
                none.
            package_find: How packages are cut out: outline finds them, whole takes photographs that were cut out
                already, box takes the boxes that are annotated.
            pod_gpus: Number of GPUs of the training pod; 0 trains on the CPU.
            pod_size: CPU and memory of the pods. demo is enough for 128 px, small for 1024 px on a CPU.
            seed: Seed of all random draws; another seed trains another generator.
            total_images: Training budget: how many real images training shows in total.
            variant: Model to train: seamless, or paper for the source paper's model.
        """
        finish = tasks.add(steps.finish, "finish").set_caching_options(False)
        with dsl.ExitHandler(finish, name="steps"):
            settings = tasks.add(
                steps.settings,
                "settings",
                params=steps_of(params),
                sizes=sizes,
                data_source=data_source,
                data_version=data_version,
                image_size_px=image_size_px,
                labels_file=labels_file,
                lot_pattern=lot_pattern,
                model_name=model_name,
                package_boxes=package_boxes,
                package_find=package_find,
                pod_gpus=pod_gpus,
                pod_size=pod_size,
                seed=seed,
                total_images=total_images,
                variant=variant,
            )
            _add_steps(tasks.after(settings.set_caching_options(False)), pod_gpus)

    return explain(pipeline, {"package_find": get_args(Find), "pod_size": sizes, "variant": get_args(VariantName)})


def _add_steps(tasks: Tasks, gpus: Any) -> None:
    """Add the tasks of all steps, with the sections and resources that `settings` chose."""
    (ingest, crop_resize), sections = tasks.add_packages(), tasks.chosen
    packages = crop_resize.outputs["packages"]
    train = tasks.add(steps.train, "train", params=sections["train"], gpus=gpus, packages=packages)
    made = {"packages": packages, "generator": train.outputs["generator"]}
    done = {"ingested": ingest, "cropped": crop_resize, "trained": train}
    metrics = {name: task.outputs["metrics"] for name, task in done.items()}
    training, params = train.outputs["report"], sections["evaluate"]
    evaluate = tasks.add(steps.evaluate, "evaluate", params=params, training=training, **made, **metrics)
    evaluate.set_caching_options(False)  # what it records belongs to every run
    read = {"params": sections["publish"], "measured_with": sections["evaluate"]}
    publish = tasks.add(steps.publish, "publish", evaluation=evaluate.outputs["evaluation"], **read, **made)
    publish.set_caching_options(False)
