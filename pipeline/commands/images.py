"""Every image that an installation and its runs pull, also those that no manifest of ours names."""

import tempfile
from pathlib import Path

from fabgan.components.core.errors import UserError
from fabgan.components.core.parameters import load_yaml

from .compile import compile_pipelines, images_of

LIST = Path(__file__).resolve().parent.parent / "deploy" / "images.yaml"


def every_image(image: str, params: Path) -> list[str]:
    """Return the images of the compiled pipelines and of deploy/images.yaml, in alphabetical order.

    Raises UserError outside a checkout of the project, where that list is not.
    """
    if not LIST.is_file():
        raise UserError(
            "pipeline images: works in a checkout of fabgan alone, which has deploy/images.yaml; in a bundle, "
            "images.txt holds what it prints there"
        )
    with tempfile.TemporaryDirectory() as folder:
        named = images_of(compile_pipelines(image, params, Path(folder) / "pipelines"))
    return sorted(named | set(listed_images(LIST)))


def listed_images(path: Path) -> list[str]:
    """Return the images of a list, by digest where it has one, else by tag."""
    images = load_yaml(path)["images"]
    return [
        f"{image['name']}@{image['digest']}" if image["digest"] else f"{image['name']}:{image['tag']}"
        for image in images
    ]
