"""The augment step: it pulls a registered generator and generates images for a training set.

Image i depends only on the weights, the seed and i. So the same command gives the same images, and a larger count
begins with the images of a smaller count. Several computers can share the work: each generates a shard, the images from
`first` on, and uploads it to a bucket. The step needs only the registry, no data set and no pipeline.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict
from pathlib import Path

from ..artifacts.generator import generate, load_card, load_generator
from ..artifacts.manifest import FILE_NAME, GeneratedManifest, marker_of, read_manifest, write_manifest
from ..artifacts.sheets import pixels_of
from ..artifacts.verdict import shortened
from ..core.errors import UserError
from ..core.files import read_json
from ..core.images import Pixels
from ..core.log import logger
from ..core.parameters import digest
from ..core.provenance import code_of
from ..core.resumable import resumable_folder
from ..services.storage import SCHEME
from ..services.tracking.registry import Registry, Version
from .packing import blocks, completed, digests_by_file, digests_of, file_name, holds, write_file
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

    def images_from(first: int) -> Iterator[Pixels]:
        count = wanted.first + wanted.count - first
        return map(pixels_of, generate(generator, count, wanted.seed, label, first))

    if output.startswith(SCHEME):
        put_shard(output, wanted, images_from)
    else:
        _fill_folder(Path(output), wanted, images_from)
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


def _fill_folder(output: Path, wanted: GeneratedManifest, images_from: Callable[[int], Iterator[Pixels]]) -> None:
    request = {key: value for key, value in asdict(wanted).items() if key != "images"}
    if not _is_done(output, request):
        with resumable_folder(output, digest([request, code_of("augment")]), marker_of(GeneratedManifest)) as partial:
            _complete(partial, wanted, images_from)
    elif lost := _lost(output, wanted):
        told = "%s: %d files are missing or damaged, such as %s; they are made again"
        logger("augment").warning(told, output, len(lost), lost[0])
        for name in lost:
            (output / name).unlink(missing_ok=True)
        _complete(output, wanted, images_from)


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
    known, size = digests_by_file(read_manifest(output, GeneratedManifest)), wanted.images_per_file
    names = [file_name(block, size) for block in blocks(wanted)]
    return [name for name in names if not holds(output / name, known.get(name, []), size)]


def _complete(folder: Path, wanted: GeneratedManifest, images_from: Callable[[int], Iterator[Pixels]]) -> None:
    """Make the files that a folder lacks, and then its manifest."""
    size = wanted.images_per_file
    paths = {block: folder / file_name(block, size) for block in blocks(wanted)}
    present = {block: digests_of(path, size) for block, path in paths.items() if path.is_file()}

    def put(block: range, images: Iterator[Pixels]) -> list[str]:
        return write_file(paths[block], block, images, size)

    write_manifest(folder, completed(wanted, present, images_from, put))
