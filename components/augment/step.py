"""The augment step: it pulls a registered generator and generates images for a training set.

Image i depends only on the weights, the seed and i. So the same command gives the same images, and a larger count
begins with the images of a smaller count. Several computers can share the work: each generates a shard, the images from
`first` on, and uploads it to a bucket. The step needs only the registry, no data set and no pipeline.
"""

from collections.abc import Iterator
from dataclasses import asdict, replace
from itertools import islice
from pathlib import Path

from ..artifacts.generator import Generator, generate, load_card, load_generator
from ..artifacts.manifest import FILE_NAME, GeneratedImage, GeneratedManifest, marker_of, read_manifest, write_manifest
from ..artifacts.sheets import pixels_of
from ..artifacts.verdict import shortened
from ..core.errors import UserError
from ..core.files import read_json
from ..core.images import Pixels
from ..core.log import logger
from ..core.parameters import digest
from ..core.progress import Progress
from ..core.provenance import code_of
from ..core.resumable import resumable_folder
from ..services.storage import SCHEME
from ..services.tracking.registry import Registry, Version
from .packing import blocks, digests_of, file_name, holds, listed, write_file
from .parameters import AugmentParameters
from .shards import put_shard

USABLE = ("candidate", "exportable")
"""Verdicts of a generator whose images may be used."""


def run(params: AugmentParameters, output: str) -> dict[str, float]:
    """Fill `output`, a folder or `s3://bucket/prefix`, with PNG images and a manifest of model, seed and digests.

    Running it again resumes, or makes files of a folder again that are missing or damaged. A version that was refused
    is used with a warning. Raises UserError for a missing model, and for an output that holds something else.
    """
    registry = Registry()
    version = registry.resolve(params.model)
    _warn_unless_usable(version)
    with registry.pulled(version) as folder:
        card, generator = load_card(folder), load_generator(folder)
    label = _number_of(params.label, card.get("classes", []))
    wanted = GeneratedManifest(
        model=version.uri,
        weights_sha256=card["weights_sha256"],
        image_size_px=generator.config.image_size_px,
        channels=generator.config.channels,
        seed=params.seed,
        label=params.label,
        first=params.first,
        count=params.count,
        images=[],
        images_per_file=params.images_per_file,
    )
    if output.startswith(SCHEME):
        put_shard(output, wanted, lambda first: _images(generator, wanted, label, first))
    else:
        _fill_folder(Path(output), wanted, _images(generator, wanted, label, params.first))
    return {"images": params.count, "version": version.number}


def _warn_unless_usable(version: Version) -> None:
    verdict, reasons = version.tags.get("verdict", "missing"), version.tags.get("verdict_reasons", "")
    if verdict not in USABLE:
        logger("augment").warning(
            "%s: its verdict is %s%s, so its images may do harm in a training set; they are made all the same",
            *(version.uri, verdict, f" ({shortened(reasons.split('; '))})" if reasons else ""),
        )


def _number_of(label: str, classes: list[str]) -> int | None:
    if not label:
        return None
    if label not in classes:
        known = ", ".join(classes) or "none, because it was trained without labels"
        raise UserError(f"label: {label!r} is not a class of this generator (known: {known})")
    return classes.index(label)


def _images(generator: Generator, wanted: GeneratedManifest, label: int | None, first: int) -> Iterator[Pixels]:
    """Yield the images of a manifest from image `first` on, H x W or H x W x 3."""
    count = wanted.first + wanted.count - first
    for image in generate(generator, count, wanted.seed, label, first):
        yield pixels_of(image)


def _fill_folder(output: Path, wanted: GeneratedManifest, images: Iterator[Pixels]) -> None:
    request = {key: value for key, value in asdict(wanted).items() if key != "images"}
    if not _is_done(output, request):
        with resumable_folder(output, digest([request, code_of("augment")]), marker_of(GeneratedManifest)) as partial:
            write_manifest(partial, replace(wanted, images=_write_images(partial, wanted, images)))
    elif lost := _lost(output, wanted):
        told = "%s: %d files are missing or damaged, such as %s; they are made again"
        logger("augment").warning(told, output, len(lost), lost[0])
        for name in lost:
            (output / name).unlink(missing_ok=True)
        write_manifest(output, replace(wanted, images=_write_images(output, wanted, images)))


def _is_done(output: Path, request: dict[str, object]) -> bool:
    """Return whether `output` has the manifest of the requested images. Raises UserError if it holds anything else."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return False
    manifest = read_json(output / FILE_NAME) if (output / FILE_NAME).is_file() else {}
    if isinstance(manifest, dict) and all(manifest.get(key) == value for key, value in request.items()):
        return True
    raise UserError(f"{output}: holds something else already; nothing was changed, choose another folder")


def _lost(output: Path, wanted: GeneratedManifest) -> list[str]:
    """Return the names of the files that are missing, or do not hold what the manifest lists."""
    listed: dict[str, list[str]] = {}
    for image in read_manifest(output, GeneratedManifest).images:
        listed.setdefault(image.file, []).append(image.sha256)
    names = [file_name(block, wanted.images_per_file) for block in blocks(wanted)]
    return [name for name in names if not holds(output / name, listed.get(name, []), wanted.images_per_file)]


def _write_images(folder: Path, wanted: GeneratedManifest, images: Iterator[Pixels]) -> list[GeneratedImage]:
    progress, size = Progress("augment", wanted.count, "images"), wanted.images_per_file
    written = []
    for block in blocks(wanted):
        path = folder / file_name(block, size)
        if path.is_file():
            digests = digests_of(path, size)
            list(islice(images, len(block)))  # made again, because each image is made after the one before
        else:
            digests = write_file(path, block, images, size)
        written += listed(block, digests, size)
        progress.advance(len(block))
    return written
