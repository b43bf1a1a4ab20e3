"""The defects step: it pastes annotated defects into packages without any, and writes images, masks and boxes.

Image i of a kind depends only on the packages, the seed, the kind and i. So the same command gives the same images, and
a larger count begins with the images of a smaller count.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import cv2
import numpy as np

from ..artifacts.manifest import FILE_NAME, DefectImage, DefectManifest, manifest_digest, write_manifest
from ..core.errors import UserError
from ..core.files import atomic_folder, sha256_of_file
from ..core.images import write_png
from ..core.progress import Progress
from .layouts import check_layout, files_of, write_annotations
from .parameters import DefectsParameters
from .pool import Pool, read_pool


def run(params: DefectsParameters, packages: Path, output: Path) -> dict[str, float]:
    """Fill `output` with images, masks, annotations in the layout that is asked for, and a manifest.

    A run that is cut short leaves nothing under the final name, and is made again from its beginning. Raises UserError
    for a kind without annotated defects, for a folder without annotations or without good packages, and for an output
    that holds something else.
    """
    pool = read_pool(packages, params.size_px)
    counts = _counts(params, pool)
    check_layout(params.layout, list(counts))
    with atomic_folder(output, FILE_NAME) as folder:
        made = DefectManifest(
            packages_sha256=manifest_digest(packages),
            image_size_px=params.size_px,
            seed=params.seed,
            layout=params.layout,
            kinds=list(pool.cutouts),
            images=list(_images(params, pool, counts, folder)),
        )
        write_annotations(folder, made)
        write_manifest(folder, made)
    return {"images": sum(counts.values())}


def _counts(params: DefectsParameters, pool: Pool) -> dict[str, int]:
    """Return how many images of each kind to make. Raises UserError for a kind that has no annotated defect."""
    found = {kind: len(cutouts) for kind, cutouts in pool.cutouts.items()}
    counts: Mapping[str, int] = params.counts or {kind: params.per_kind for kind, number in found.items() if number}
    for kind in counts:
        if not found.get(kind):
            known = ", ".join(f"{name} ({number})" for name, number in found.items())
            raise UserError(f"defects: no annotated defect of kind {kind!r} in the training images (known: {known})")
    return dict(counts)


def _images(params: DefectsParameters, pool: Pool, counts: Mapping[str, int], folder: Path) -> Iterator[DefectImage]:
    progress = Progress("defects", sum(counts.values()), "images")
    for kind, count in counts.items():
        value = list(pool.cutouts).index(kind) + 1
        for index in range(count):
            yield _image(params, pool, kind, value, index, folder)
            progress.advance(1)


def _image(params: DefectsParameters, pool: Pool, kind: str, value: int, index: int, folder: Path) -> DefectImage:
    made = pool.make(kind, np.random.default_rng([params.seed, value, index]))
    file, mask = files_of(params.layout, kind, value, index)
    write_png(folder / file, made.pixels_HWC)
    write_png(folder / mask, made.mask_HW * np.uint8(255 if params.layout == "mvtec" else value))
    left, top, width, height = cv2.boundingRect(made.mask_HW)
    return DefectImage(
        file=file,
        mask=mask,
        sha256=sha256_of_file(folder / file),
        mask_sha256=sha256_of_file(folder / mask),
        kind=kind,
        index=index,
        box_px=(left, top, left + width, top + height),
        background=made.background.name,
        defect_from=made.cutout.source,
    )
