"""The augment step: a registered generator is pulled and makes images for a training set.

Image i depends on the weights, the seed and i alone: the same command gives the same images, and a larger count
begins with the images of a smaller one. Only the registry is needed, no data set and no pipeline.
"""

import tempfile
from pathlib import Path

from components.errors import UserError
from components.files import read_json, sha256_of_file, write_json
from components.generators import generate, load_card, load_generator
from components.images import write_png
from components.parameters import NonNegativeInt, PositiveInt, digest, parameters
from components.progress import Progress
from components.resumable import resumable_folder
from components.tracking.registry import Registry
from components.variants import Generator

MANIFEST = "manifest.json"


@parameters
class AugmentParameters:
    """What is asked for."""

    model: str
    """`models:/NAME@ALIAS` or `models:/NAME/NUMBER`."""
    count: PositiveInt
    seed: NonNegativeInt
    label: str
    """Class of the images, of a generator that was trained with labels; empty for all of them."""


def run(params: AugmentParameters, output: Path) -> dict[str, float]:
    """Fill `output` with `count` PNG images and a manifest that tells the model, the seed and every digest.

    Running it again goes on where it stopped, or finds all done. Raises UserError for a model that is not there,
    or a folder that holds something else.
    """
    registry = Registry()
    version = registry.resolve(params.model)
    with tempfile.TemporaryDirectory() as folder:
        registry.pull(version, Path(folder))
        card, generator = load_card(Path(folder)), load_generator(Path(folder))
    label = _number_of(params.label, card.get("classes", []))
    request = {
        "model": version.uri,
        "weights_sha256": card["weights_sha256"],
        "image_size_px": generator.config.image_size_px,
        "channels": generator.config.channels,
        "count": params.count,
        "seed": params.seed,
        "label": params.label,
    }
    if not _is_done(output, request):
        with resumable_folder(output, digest(request)) as partial:
            write_json(partial / MANIFEST, request | {"images": _write_images(partial, generator, params, label)})
    return {"images": params.count, "version": version.number}


def _is_done(output: Path, request: dict[str, object]) -> bool:
    """Say whether `output` holds what is asked for; refuse to replace anything else."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return False
    manifest = read_json(output / MANIFEST) if (output / MANIFEST).is_file() else {}
    if isinstance(manifest, dict) and all(manifest.get(key) == value for key, value in request.items()):
        return True
    raise UserError(f"{output}: holds something else already; nothing was touched, choose another folder")


def _number_of(label: str, classes: list[str]) -> int | None:
    if not label:
        return None
    if label not in classes:
        known = ", ".join(classes) or "none: it was trained without labels"
        raise UserError(f"label: {label!r} is not a class of this generator (known: {known})")
    return classes.index(label)


def _write_images(
    folder: Path, generator: Generator, params: AugmentParameters, label: int | None
) -> list[dict[str, object]]:
    progress = Progress("augment", params.count, "images")
    images: list[dict[str, object]] = []
    for index, image in enumerate(generate(generator, params.count, params.seed, label)):
        path = folder / f"{index:06d}.png"
        if not path.is_file():
            write_png(path, image.permute(1, 2, 0).squeeze(2).numpy())
        images.append({"file": path.name, "index": index, "sha256": sha256_of_file(path)})
        progress.advance(1)
    return images
