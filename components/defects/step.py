"""The defects step: it makes annotated defects in packages without any, and writes images, masks and boxes.

Image i of a kind depends only on the packages, the seed, the kind and i. So the same command gives the same images, and
a larger count begins with the images of a smaller count.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from ..artifacts.contact import Shown, spread, thumbnail, write_sections
from ..artifacts.manifest import (
    FILE_NAME,
    DefectImage,
    DefectManifest,
    has_manifest,
    manifest_digest,
    marker_of,
    write_manifest,
)
from ..core.errors import UserError
from ..core.files import check_apart, check_replaceable, read_json, sha256_of_file, write_json
from ..core.images import read_image, write_png
from ..core.log import logger
from ..core.masks import parts_of
from ..core.parameters import digest, parse
from ..core.progress import Progress
from ..core.provenance import code_of
from ..core.resumable import RECORDS, resumable_folder
from .card import NOT_RECOMMENDED, Method, methods_of
from .drawn import pictures
from .layouts import check_layout, files_of, write_annotations
from .parameters import DefectsParameters
from .pool import Pool, read_pool
from .shares import by_need

SHOWN_PER_KIND = 24
FOLDER = marker_of(DefectManifest)
LOG = logger("defects")


def run(
    params: DefectsParameters,
    packages: Path,
    output: Path,
    model: Path | None = None,
    where: Path | None = None,
    shapes: Path | None = None,
) -> dict[str, float]:
    """Fill `output` with images, masks, annotations in the layout that is asked for, a manifest and a contact sheet.

    `model` is a folder that `train_defects` filled. It says how to make each kind. Without it, defects are pasted.
    `where` is a picture of a package that is white where defects may lie. `shapes` is such a picture, or a folder of
    them, whose white parts are the places and shapes of defects.

    A run that is cut short leaves nothing under the final name, and the same call again continues it. Raises UserError
    for a kind without annotated defects, for a folder without annotations or without good packages, for the model of
    other kinds, for pictures that `read_pool` refuses, and for an output that holds something else or images of
    another request, or that lies among what is read.
    """
    check_replaceable(output, FOLDER)
    check_apart({"output": output}, {"packages": packages, "model": model, "where": where, "shapes": shapes})
    pool = read_pool(packages, params.size_px, where, shapes)
    methods = methods_of(model, list(pool.cutouts))
    counts = _counts(params, pool, methods)
    check_layout(params.layout, list(counts))
    settings = [asdict(params), counts, {kind: [one.name, one.weights_sha256] for kind, one in methods.items()}]
    drawn = [[sha256_of_file(one) for one in pictures(path)] if path else [] for path in (where, shapes)]
    wanted = DefectManifest(
        packages_sha256=manifest_digest(packages),
        image_size_px=params.size_px,
        seed=params.seed,
        layout=params.layout,
        kinds=list(pool.cutouts),
        images=[],
        request_sha256=digest([*settings, drawn, manifest_digest(packages)]),
    )
    _check_request(output, wanted)
    work = digest([wanted.request_sha256, code_of("defects")])
    with resumable_folder(output, work, FOLDER) as folder:
        made = replace(wanted, images=list(_images(params, pool, methods, counts, folder)))
        write_annotations(folder, made)
        write_manifest(folder, made)
        _write_sheet(folder, made)
    return {"images": sum(counts.values())}


def _check_request(output: Path, wanted: DefectManifest) -> None:
    """Raise a UserError if `output` has images of another request. An earlier version does not tell all of it."""
    found = read_json(output / FILE_NAME) if has_manifest(output) else {}
    asked = {key: value for key, value in asdict(wanted).items() if key != "images"}
    if other := [key for key, value in asked.items() if found.get(key, value) != value]:
        raise UserError(
            f"{output}: holds images of another request (see {', '.join(other)} in its {FILE_NAME}); nothing was "
            "changed, choose another folder, or delete this one"
        )


def _write_sheet(folder: Path, made: DefectManifest) -> None:
    """Write a contact sheet with some images of each kind, and the borders of their defects."""
    sections = []
    for kind in dict.fromkeys(image.kind for image in made.images):
        of_kind = [image for image in made.images if image.kind == kind]
        sections.append((kind, len(of_kind), [_shown(folder, image) for image in spread(of_kind, SHOWN_PER_KIND)]))
    write_sections(folder, "defects", sections)


def _shown(folder: Path, image: DefectImage) -> Shown:
    pixels, mask = read_image(folder / image.file), read_image(folder / image.mask)
    return Shown(image.file, f"{image.method}, in {image.background}", thumbnail(pixels, mask=mask))


def _counts(params: DefectsParameters, pool: Pool, methods: Mapping[str, Method]) -> dict[str, int]:
    """Return how many images of each kind to make. Raises UserError for a kind that has no annotated defect."""
    found = {kind: len(cutouts) for kind, cutouts in pool.cutouts.items()}
    for kind in params.counts:
        if not found.get(kind):
            known = ", ".join(f"{name} ({number})" for name, number in found.items())
            raise UserError(f"defects: no annotated defect of kind {kind!r} in the training images (known: {known})")
    present = [kind for kind, number in found.items() if number]
    others = [kind for kind in params.counts or present if not methods[kind].recommended]
    if others == present and not params.counts:
        raise UserError(f"defects: {NOT_RECOMMENDED}; ask for kinds with --kinds to make them anyway")
    if others:
        done = "made as asked" if params.counts else "not made"
        LOG.warning("images with %s are %s: the model does not recommend them", ", ".join(others), done)
    return dict(params.counts) or _shared(params, {kind: methods[kind].need for kind in present if kind not in others})


def _shared(params: DefectsParameters, needs: Mapping[str, float]) -> dict[str, int]:
    """Return how many images of each kind to make, where their numbers are not given."""
    if params.per_kind:
        return dict.fromkeys(needs, params.per_kind)
    order = by_need(needs, params.images)
    if left_out := [kind for kind in needs if kind not in order]:
        LOG.warning("%d image(s) are fewer than the kinds: none shows %s", params.images, ", ".join(left_out))
    return {kind: order.count(kind) for kind in needs if kind in order}


def _images(
    params: DefectsParameters, pool: Pool, methods: Mapping[str, Method], counts: Mapping[str, int], folder: Path
) -> Iterator[DefectImage]:
    progress = Progress("defects", sum(counts.values()), "images")
    for kind, count in counts.items():
        for index in range(count):
            record = folder / RECORDS / f"{list(pool.cutouts).index(kind)}-{index}.json"
            if not record.is_file():
                write_json(record, asdict(_image(params, pool, methods[kind], kind, index, folder)))
            yield parse(DefectImage, read_json(record), str(record))
            progress.advance(1)


def _image(params: DefectsParameters, pool: Pool, method: Method, kind: str, index: int, folder: Path) -> DefectImage:
    value = list(pool.cutouts).index(kind) + 1
    random = np.random.default_rng([params.seed, value, index])
    made = pool.make(kind, params.defects_per_image, random, method.paint)
    file, mask = files_of(params.layout, kind, value, index)
    write_png(folder / file, made.pixels_HWC)
    write_png(folder / mask, made.mask_HW * np.uint8(255 if params.layout == "mvtec" else value))
    return DefectImage(
        file=file,
        mask=mask,
        sha256=sha256_of_file(folder / file),
        mask_sha256=sha256_of_file(folder / mask),
        kind=kind,
        index=index,
        method=method.name,
        boxes_px=[part.box_px for part in parts_of(made.mask_HW)],
        background=made.background.name,
        defects_from=made.sources,
    )
