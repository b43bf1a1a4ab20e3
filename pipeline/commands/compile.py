"""Compile pipelines into files: one for Kubeflow's UI, and one with Kubernetes resources.

Equal input gives equal bytes.
"""

import json
import warnings
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import yaml
from kfp.compiler import Compiler
from kfp.compiler.compiler_utils import KubernetesManifestOptions

from fabgan.components.core.errors import UserError
from fabgan.components.core.files import atomic_folder, names_marker
from fabgan.components.steps import load_parameters

from ..definitions.augmentation import augmentation_pipeline
from ..definitions.cluster import Cluster, Placement
from ..definitions.defects import defects_pipeline
from ..definitions.sweep import sweep_pipeline
from ..definitions.training import training_pipeline
from .settings import kubeflow_settings

PIPELINES = {
    "training": training_pipeline,
    "sweep": sweep_pipeline,
    "augmentation": augmentation_pipeline,
    "defects": defects_pipeline,
}
PAGES = {"training": "evaluate", "sweep": "compare", "defects": "train-defects"}
"""The step whose artifact `page` shows what a run of a pipeline came to; augmentation has none."""
FIRST, RESOURCES = "training", "kubernetes"
FOLDER = names_marker(
    f"{FIRST}.yaml",
    [f"{place}{name}.yaml" for name in PIPELINES for place in ("", f"{RESOURCES}/")],
    f"# PIPELINE DEFINITION\n# Name: fabgan-{FIRST}\n",
)
"""What tells the folder of compiled pipelines from all others."""


def pipeline_of(name: str, image: str, params: Path, place: Placement | None = None) -> Any:
    """Return the pipeline with a short name. Without `place`, it is for the cluster that a params.yaml describes.

    Raises UserError for an image without a fixed tag or digest, and for a wrong key of the params.yaml.
    """
    check_image(image)
    parsed = load_parameters(params)
    sections = json.loads(json.dumps({name: asdict(section) for name, section in parsed.items()}))  # no tuples
    cluster = kubeflow_settings(params)
    return PIPELINES[name](image, sections, cluster, place or Cluster(cluster))


def check_image(image: str) -> None:
    """Raise a UserError for an image whose name may stand for another one tomorrow."""
    if ":" not in image.rsplit("/", 1)[-1] or image.endswith(":latest"):
        raise UserError(f"{image}: expected an image with a tag or a digest, and a tag other than `latest`")


def compile_pipelines(image: str, params: Path, output: Path) -> list[Path]:
    """Write NAME.yaml and kubernetes/NAME.yaml of every pipeline into the folder `output`; return the files."""
    made = {name: pipeline_of(name, image, params) for name in PIPELINES}
    with atomic_folder(output, FOLDER) as partial:
        (partial / RESOURCES).mkdir()
        for name, pipeline in made.items():
            compile_to(partial / f"{name}.yaml", pipeline)
            options = KubernetesManifestOptions(include_pipeline_manifest=True)
            compile_to(
                partial / RESOURCES / f"{name}.yaml",
                pipeline,
                kubernetes_manifest_format=True,
                kubernetes_manifest_options=options,
            )
    return sorted(output.rglob("*.yaml"))


def compile_to(path: Path, pipeline: Any, **options: Any) -> None:
    """Write one pipeline to a file, with options of kfp's compiler."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        Compiler().compile(pipeline, str(path), **options)


def images_of(files: Iterable[Path]) -> set[str]:
    """Return every container image that compiled pipelines name."""
    found: set[str] = set()
    for file in files:
        for document in yaml.safe_load_all(file.read_text(encoding="utf-8")):
            found |= set(_values_of("image", document))
    return found


def _values_of(key: str, node: Any) -> Iterable[str]:
    if isinstance(node, dict):
        for name, value in node.items():
            if name == key and isinstance(value, str):
                yield value
            yield from _values_of(key, value)
    elif isinstance(node, list):
        for value in node:
            yield from _values_of(key, value)
