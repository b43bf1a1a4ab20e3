"""Every container image that an installation and its runs pull, including images that only Kubeflow names."""

import tempfile
from pathlib import Path

from fabgan.components.core.errors import UserError
from fabgan.components.core.parameters import load_yaml
from fabgan.components.core.provenance import CHECKOUT

from .compile import compile_pipelines, images_of

LIST = CHECKOUT / "deploy" / "images.yaml"


def every_image(image: str, params: Path) -> list[str]:
    """Return the images of the compiled pipelines and of deploy/images.yaml, in alphabetical order.

    Raises UserError outside a checkout of the project, which alone has that list.
    """
    if not LIST.is_file():
        raise UserError(
            "pipeline images: works only in a checkout of fabgan, which has deploy/images.yaml; in a bundle, "
            "images.txt is the same list"
        )
    with tempfile.TemporaryDirectory() as folder:
        named = images_of(compile_pipelines(image, params, Path(folder) / "pipelines"))
    return sorted(named | set(listed_images(LIST)))


def listed_images(path: Path) -> list[str]:
    """Return the images of a list such as deploy/images.yaml: by digest if it has one, else by tag."""
    images = load_yaml(path)["images"]
    return [
        f"{image['name']}@{image['digest']}" if image["digest"] else f"{image['name']}:{image['tag']}"
        for image in images
    ]
