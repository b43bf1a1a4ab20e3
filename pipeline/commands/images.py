"""Every container image that an installation and its runs pull, including images that only Kubeflow names."""

import tempfile
from pathlib import Path

from fabgan.components.core.errors import UserError
from fabgan.components.core.parameters import load_yaml
from fabgan.components.core.provenance import CHECKOUT

from ..checks.cluster import read
from ..checks.images import is_listed, kubeflow_images, service_images
from .compile import compile_pipelines, images_of

LIST = CHECKOUT / "deploy" / "images.yaml"


def every_image(image: str, params: Path) -> list[str]:
    """Return the images of the compiled pipelines and of deploy/images.yaml, in alphabetical order.

    Raises UserError outside a checkout of the project, which alone has that list.
    """
    _check_list()
    with tempfile.TemporaryDirectory() as folder:
        named = images_of(compile_pipelines(image, params, Path(folder) / "pipelines"))
    return sorted(named | set(listed_images(LIST)))


def _check_list() -> None:
    if not LIST.is_file():
        raise UserError(
            "pipeline images: works only in a checkout of fabgan, which has deploy/images.yaml; in a bundle, "
            "images.txt is the same list"
        )


def compare_with(manifests: Path) -> tuple[list[str], list[str]]:
    """Return a line for each image that the manifests of a Kubeflow ask for, and those that runs lack.

    The file holds the output of `kubectl get deployments --output=yaml` or of kustomize. Images of Kubeflow's own
    services are listed too. They come with Kubeflow, so none of them counts as lacking.

    Raises UserError outside a checkout, for a file that holds something else, and for one without Kubeflow's services.
    """
    _check_list()
    listed, objects = listed_images(LIST), read(manifests).objects
    pulled = sorted(set(kubeflow_images(one for one in objects if one.get("kind") == "Deployment")))
    if not pulled:
        raise UserError(
            f"{manifests}: no Deployment in it names the images of runs; expected the output of "
            "`kubectl get deployments --namespace kubeflow --output=yaml`, or of kustomize"
        )
    lacking = [image for image, _ in pulled if not is_listed(image, listed)]
    runs = [f"{image}  {'LACKING' if image in lacking else 'listed'}: {place}" for image, place in pulled]
    services = sorted(set(service_images(objects)))
    own = [f"{image}  {'listed' if is_listed(image, listed) else 'of Kubeflow'}: {name}" for image, name in services]
    return [*runs, *own], lacking


def listed_images(path: Path) -> list[str]:
    """Return the images of a list such as deploy/images.yaml: by digest if it has one, else by tag."""
    images = load_yaml(path)["images"]
    return [
        f"{image['name']}@{image['digest']}" if image["digest"] else f"{image['name']}:{image['tag']}"
        for image in images
    ]
