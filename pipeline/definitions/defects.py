"""The defects pipeline: settings, ingest, crop_resize, train_defects, defects."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, get_args

from kfp import dsl

from fabgan.components.crop_resize.parameters import Find
from fabgan.components.defects.parameters import Layout

from . import defect_steps
from . import steps as shared
from .cluster import Placement
from .explained import explain
from .parameters import KubeflowParameters
from .tasks import Tasks
from .training import steps_of

NAME = "fabgan-defects"
DESCRIPTION = (
    "Train a model that puts annotated defects into good packages, find out which of its images help an inspection "
    "model, register it in MLflow, and make such images with masks.\n\n"
    "The photographs must be annotated: set **annotations**. What each kind of defect gains is on the artifact `page` "
    "of the step `train-defects`, tab *Visualization*. The images are the artifact `images` of the step "
    "`make-defects`. If images do not help, none are made."
)
EMBEDDED = {"source": "data/annotated.yaml", "revision": "", "boxes": ""}
"""What the form shows while params.yaml names no annotated photographs."""


def defects_pipeline(image: str, params: Mapping[str, Any], cluster: KubeflowParameters, place: Placement) -> Any:
    """Return the pipeline for a container image; `params`, a params.yaml, gives the form's defaults and the rest."""
    tasks = Tasks(image, place)
    annotated = params["ingest"]["annotations"]
    data = params["ingest"] if annotated else params["ingest"] | EMBEDDED
    sizes = {name: asdict(size) for name, size in cluster.sizes.items()}

    @dsl.pipeline(name=NAME, display_name="fabgan: make packages with defects", description=DESCRIPTION)
    def pipeline(
        annotations: str = data["annotations"],
        data_source: str = data["source"],
        data_version: str = data["revision"],
        image_size_px: int = params["train"]["image_size_px"],
        images: int = 200,
        layout: str = "masks",
        lot_pattern: str = data["lot_pattern"],
        model_name: str = "bga-defects",
        package_boxes: str = data["boxes"],
        package_find: str = params["crop_resize"]["find"] if annotated else "outline",
        pod_size: str = cluster.size,
        runs: int = 5,
        seed: int = 1,
        steps: int = 600,
    ) -> None:
        """Train a defect model on annotated photographs, judge it, register it, and make images with it.

        Args:
            annotations: Where in the source the defects are annotated: a file, a folder or a pattern such as *.json, in
                the format of COCO, labelme, YOLO or VOC, or masks.
            data_source: Where the photographs are: s3://bucket/prefix, or git+https://host/repository.git#path for a
                DVC repository. data/annotated.yaml renders the embedded data set with defects instead.
            data_version: Tag, branch or commit of the DVC repository; empty for the newest commit. The run pins it to
                a commit when it starts.
            images: Number of images with defects, if these help. More are made of kinds that an inspection model finds
                worse.
            image_size_px: Side of the images in pixels, a power of two from 64 to 4096.
            layout: How a training program expects images, masks and boxes.
            lot_pattern: How lots are told: a regular expression over the path below the source, whose first group is
                the lot. Packages of lots that are held out judge the made defects.
            model_name: Name of the registered model in MLflow.
            package_boxes: Where in the source the packages are annotated, for the box of package_find: a file, a
                folder or a pattern such as *.json, in the format of COCO, labelme, YOLO or VOC, or masks; empty for
                none.
            package_find: How packages are cut out: outline finds them, whole takes photographs that were cut out
                already, box takes the boxes that are annotated.
            pod_size: CPU and memory of the pods.
            runs: How many inspection models are trained in each way, to judge; 2 or more.
            seed: The same seed gives the same model and the same images.
            steps: Steps of training.
        """
        finish = tasks.add(shared.finish, "finish").set_caching_options(False)
        with dsl.ExitHandler(finish, name="steps"):
            settings = tasks.add(
                defect_steps.plan_defects,
                "settings",
                params=steps_of(params),
                sizes=sizes,
                annotations=annotations,
                data_source=data_source,
                data_version=data_version,
                image_size_px=image_size_px,
                images=images,
                layout=layout,
                lot_pattern=lot_pattern,
                model_name=model_name,
                package_boxes=package_boxes,
                package_find=package_find,
                pod_size=pod_size,
                runs=runs,
                seed=seed,
                steps=steps,
            )
            _add_steps(tasks.after(settings.set_caching_options(False)), model_name)

    return explain(pipeline, {"package_find": get_args(Find), "layout": get_args(Layout), "pod_size": sizes})


def _add_steps(tasks: Tasks, model_name: Any) -> None:
    """Add the tasks of all steps, with the parameters and resources that `settings` chose."""
    _, crop_resize = tasks.add_packages()
    packages, chosen = crop_resize.outputs["packages"], tasks.chosen
    asked = {"training": chosen["training"], "model_name": model_name}
    train = tasks.add(defect_steps.train_defects, "train", packages=packages, **asked).set_caching_options(False)
    made = {"registered": train.outputs["registered"], "model": train.outputs["model"], "packages": packages}
    tasks.add(defect_steps.make_defects, "augment", making=chosen["making"], **made).set_caching_options(False)
