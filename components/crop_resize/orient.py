"""Turn crops by quarters, so that the packages of one product lie alike.

Looks of the packages alone decide. A shadow beside a package lies away from the light, however the package lies.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from ..artifacts.manifest import Defect, Package
from ..core.files import sha256_of_file
from ..core.images import Pixels, read_image, write_png
from ..core.parameters import digest
from ..core.provenance import code_of
from ..core.resumable import Record, Reuse, map_resumably
from .outline import Outline
from .turns import Turn, turns_of

FOLDER = "turned"


def package_of(crop: Pixels, outline: Outline) -> Pixels:
    """Return the package without what lies around it, of a crop that `straighten` made."""
    lying, most_px = outline.lengthwise, (len(crop) - 1) // 2
    top, left = (min(math.ceil((len(crop) - side_px) / 2), most_px) for side_px in (lying.height_px, lying.width_px))
    return crop[top : len(crop) - top, left : len(crop) - left]


def oriented(
    packages: Sequence[Package], looks: Sequence[str], folder: Path, reuse: Reuse, lengthwise: bool
) -> list[Package]:
    """Return packages of which each product lies alike. Turned images and masks are written to `folder`/turned.

    `looks` are those of the packages alone. A package whose turn is doubtful stays as it is. Files that were turned
    before are taken over. If the packages lie `lengthwise`, those that are not square turn by 0 or 2 quarters only.
    """
    products = [package.product for package in packages]
    turns = turns_of(looks, products, [not lengthwise or _is_square(package) for package in packages])
    code, pairs = code_of("crop_resize"), list(zip(packages, turns, strict=True))
    items = [(package, turn.quarters) for package, turn in pairs if turn.quarters]
    keyed = [(_key(*item, code), item) for item in items]
    records = map_resumably("crop_resize (turning)", _turned_files, keyed, folder, reuse)
    files = {package.name: record for (package, _), record in zip(items, records, strict=True)}
    return [_turned(package, turn, files.get(package.name, {})) for package, turn in pairs]


def _turned(package: Package, turn: Turn, files: Record) -> Package:
    return replace(
        package,
        quarters=turn.quarters,
        turn_margin=turn.margin,
        turn_is_doubtful=turn.is_doubtful,
        defects=[_turned_defect(defect, turn.quarters, package.crop_px) for defect in package.defects],
        **files,
    )


def files_of(packages: Sequence[Package]) -> set[str]:
    """Return the images and masks of packages, relative to their folder."""
    return {file for package in packages for file in (*package.files.values(), *package.masks.values())}


def _is_square(package: Package) -> bool:
    a, b, c, d = package.outline_px
    return Outline((a, b, c, d)).is_square


def _key(package: Package, quarters: int, code: str) -> str:
    """Return the name of a record of turned files: a digest of all that they depend on."""
    return f"{package.name}-{digest([quarters, package.sha256, package.masks_sha256, code])[:16]}"


def _turned_files(item: tuple[Package, int], folder: Path) -> Record:
    """Write the turned images and masks of a package; return what the manifest says of them."""
    package, quarters = item
    images, masks = (
        {size: _turned_file(folder, file, quarters) for size, file in files.items()}
        for files in (package.files, package.masks)
    )
    return {
        "files": images,
        "sha256": {size: sha256_of_file(folder / file) for size, file in images.items()},
        "masks": masks,
        "masks_sha256": {size: sha256_of_file(folder / file) for size, file in masks.items()},
    }


def _turned_file(folder: Path, file: str, quarters: int) -> str:
    pixels = read_image(folder / file)
    turned = f"{FOLDER}/{file}"
    write_png(folder / turned, np.ascontiguousarray(np.rot90(pixels, -quarters)))
    return turned


def _turned_defect(defect: Defect, quarters: int, crop_px: float) -> Defect:
    box_px, side_px = defect.box_px, round(crop_px)
    for _ in range(quarters):
        left, top, right, bottom = box_px
        box_px = side_px - bottom, left, side_px - top, right
    return replace(defect, box_px=box_px)
