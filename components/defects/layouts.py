"""Layouts of images, masks and boxes that programs for training read: COCO, YOLO, MVTec, or masks alone."""

from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..artifacts.manifest import DefectImage, DefectManifest
from ..core.errors import UserError
from ..core.files import atomic_file, write_json
from ..core.images import read_image
from ..core.masks import Part, parts_of
from .parameters import Layout

COCO_FILE = "annotations.json"
CLASSES_FILE = "classes.txt"
GOOD = "good"
"""The folder of images without defects, in the layout of MVTec."""


def check_layout(layout: Layout, kinds: list[str]) -> None:
    """Raise UserError for a kind whose name cannot be that of its folder, if the layout has a folder for each kind."""
    for kind in kinds if layout == "mvtec" else []:
        if PurePosixPath(kind).name != kind or kind.startswith(".") or "\\" in kind:
            raise UserError(f"defects: the kind {kind!r} cannot be the name of a folder; use another layout than mvtec")
        if kind.lower() == GOOD:
            raise UserError(
                f"defects: the kind {kind!r} has the name of the folder of images without defects; call it otherwise, "
                "or use another layout than mvtec"
            )


def files_of(layout: Layout, kind: str, value: int, index: int) -> tuple[str, str]:
    """Return the paths of an image and of its mask."""
    if layout == "mvtec":
        return f"test/{kind}/{index:06d}.png", f"ground_truth/{kind}/{index:06d}_mask.png"
    return f"images/{value:03d}_{index:06d}.png", f"masks/{value:03d}_{index:06d}.png"


def write_annotations(folder: Path, made: DefectManifest) -> None:
    """Write what a layout has beside images and masks."""
    if made.layout == "coco":
        write_json(folder / COCO_FILE, _coco(folder, made))
    elif made.layout == "yolo":
        for image in made.images:
            path = folder / "labels" / f"{Path(image.file).stem}.txt"
            _write_text(path, _yolo(image, made))
    if made.layout in ("yolo", "masks"):
        _write_text(folder / CLASSES_FILE, "".join(f"{kind}\n" for kind in made.kinds))


def _write_text(path: Path, content: str) -> None:
    with atomic_file(path) as partial:
        partial.write_text(content, encoding="utf-8")


def _coco(folder: Path, made: DefectManifest) -> dict[str, Any]:
    size_px = made.image_size_px
    return {
        "images": [
            {"id": number, "file_name": image.file, "width": size_px, "height": size_px}
            for number, image in enumerate(made.images, 1)
        ],
        "categories": [{"id": number, "name": kind} for number, kind in enumerate(made.kinds, 1)],
        "annotations": [_coco_annotation(number, *found) for number, found in enumerate(_parts(folder, made), start=1)],
    }


def _parts(folder: Path, made: DefectManifest) -> Iterator[tuple[int, int, Part, list[int]]]:
    """Yield each defect: the numbers of its image and of its kind, itself, and the shape of its image."""
    for number, image in enumerate(made.images, 1):
        mask_HW = read_image(folder / image.mask, image.mask_sha256)
        for part in parts_of(mask_HW):
            yield number, made.kinds.index(image.kind) + 1, part, list(mask_HW.shape)


def _coco_annotation(number: int, image: int, kind: int, part: Part, shape: list[int]) -> dict[str, Any]:
    """Return the annotation of a defect. Run lengths hold the mask to the pixel, unlike polygons."""
    left, top, right, bottom = part.box_px
    mask_HW = np.zeros(shape, np.bool_)
    height, width = part.covers_HW.shape
    mask_HW[part.top_px : part.top_px + height, part.left_px : part.left_px + width] = part.covers_HW
    return {
        "id": number,
        "image_id": image,
        "category_id": kind,
        "bbox": [left, top, right - left, bottom - top],
        "area": int(np.count_nonzero(mask_HW)),
        "segmentation": {"size": shape, "counts": _run_lengths(mask_HW)},
        "iscrowd": 0,
    }


def _run_lengths(mask_HW: NDArray[np.bool_]) -> list[int]:
    """Return the lengths of runs of pixels beside and in the defect, in turn, column by column, as COCO has them."""
    inside = np.concatenate([[False], mask_HW.T.ravel()])
    starts = np.flatnonzero(inside[1:] != inside[:-1])
    return [int(length) for length in np.diff([0, *starts, mask_HW.size])]


def _yolo(image: DefectImage, made: DefectManifest) -> str:
    return "".join(_yolo_line(box_px, made.kinds.index(image.kind), made.image_size_px) for box_px in image.boxes_px)


def _yolo_line(box_px: tuple[int, int, int, int], kind: int, size_px: int) -> str:
    left, top, right, bottom = (value / size_px for value in box_px)
    box = (left + right) / 2, (top + bottom) / 2, right - left, bottom - top
    return f"{kind} {' '.join(f'{value:.6f}' for value in box)}\n"
