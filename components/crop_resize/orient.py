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
from .outline import Outline
from .turns import Turn, turns_of

FOLDER = "turned"


def package_of(crop: Pixels, outline: Outline) -> Pixels:
    """Return the package without what lies around it, of a crop that `straighten` made."""
    lying, most_px = outline.lengthwise, (len(crop) - 1) // 2
    top, left = (min(math.ceil((len(crop) - side_px) / 2), most_px) for side_px in (lying.height_px, lying.width_px))
    return crop[top : len(crop) - top, left : len(crop) - left]


def oriented(packages: Sequence[Package], looks: Sequence[str], folder: Path, lengthwise: bool) -> list[Package]:
    """Return packages of which each product lies alike. Turned images and masks are written to `folder`/turned.

    `looks` are those of the packages alone. A package whose turn is doubtful stays as it is. If they lie
    `lengthwise`, those that are not square turn by 0 or 2 quarters only.
    """
    products = [package.product for package in packages]
    turns = turns_of(looks, products, [not lengthwise or _is_square(package) for package in packages])
    return [_turned(package, turn, folder) for package, turn in zip(packages, turns, strict=True)]


def files_of(packages: Sequence[Package]) -> set[str]:
    """Return the images and masks of packages, relative to their folder."""
    return {file for package in packages for file in (*package.files.values(), *package.masks.values())}


def _is_square(package: Package) -> bool:
    a, b, c, d = package.outline_px
    return Outline((a, b, c, d)).is_square


def _turned(package: Package, turn: Turn, folder: Path) -> Package:
    marked = replace(package, turn_margin=turn.margin, turn_is_doubtful=turn.is_doubtful)
    if not turn.quarters:
        return marked
    images, masks = (
        {size: _turned_file(folder, file, turn.quarters) for size, file in files.items()}
        for files in (package.files, package.masks)
    )
    return replace(
        marked,
        quarters=turn.quarters,
        files=images,
        sha256={size: sha256_of_file(folder / file) for size, file in images.items()},
        masks=masks,
        masks_sha256={size: sha256_of_file(folder / file) for size, file in masks.items()},
        defects=[_turned_defect(defect, turn.quarters, package.crop_px) for defect in package.defects],
    )


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
