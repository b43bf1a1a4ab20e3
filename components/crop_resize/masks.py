"""Masks of defects: cut out and resized like the photographs that they belong to."""

from dataclasses import asdict
from pathlib import Path

import cv2
import numpy as np

from ..artifacts.manifest import Defect, Frame
from ..core.files import sha256_of_file
from ..core.images import Pixels, read_listed_image, write_png
from ..core.masks import parts_of, values_of
from ..core.resumable import Record
from .outline import Outline, crop_corners, filled_up_mask, straighten_mask, window
from .parameters import CropResizeParameters

LEAST_COVER = 1e-5
"""Covered share of a pixel that is more than rounding."""


def read_mask(frames: Path, frame: Frame) -> Pixels | None:
    """Return the mask of a frame, H x W uint8, or None without annotation.

    Raises UserError for a mask that differs from the manifest of the frames.
    """
    return read_listed_image(frames / frame.mask, frame.mask_sha256, "ingest") if frame.mask else None


def mask_record(
    mask: Pixels | None, name: str, kinds: list[str], outline: Outline, params: CropResizeParameters, folder: Path
) -> Record:
    """Write the masks of a package in every size; return what the manifest says of them, nothing without a mask."""
    if mask is None:
        return {}
    crop, outside_px = _cut_out(mask, outline, params)
    files = {str(size_px): f"masks/{size_px}/{name}.png" for size_px in params.sizes_px}
    for size, file in files.items():
        write_png(folder / file, resized_mask(crop, int(size)))
    return {
        "masks": files,
        "masks_sha256": {size: sha256_of_file(folder / file) for size, file in files.items()},
        "defects": [asdict(defect) for defect in defects_of(crop, kinds)],
        "defects_outside_px": outside_px,
    }


def resized_mask(mask: Pixels, size_px: int) -> Pixels:
    """Return a square mask in another size.

    If it shrinks, a pixel has a kind if the kind covers at least half as much of it as of any pixel around it. So
    borders stay where they are, and a scratch that is thinner than a pixel is not lost. Of several kinds, the one that
    covers most of the pixel counts.
    """
    if size_px >= len(mask):
        return np.asarray(cv2.resize(mask, (size_px, size_px), interpolation=cv2.INTER_NEAREST_EXACT), dtype=np.uint8)
    shown = np.zeros((size_px, size_px), dtype=np.uint8)
    most = np.zeros(shown.shape, dtype=np.float32)
    for kind in values_of(mask):
        cover = cv2.resize((mask == kind).astype(np.float32), shown.shape, interpolation=cv2.INTER_AREA)
        around = cv2.dilate(cover, np.ones((3, 3), np.uint8))
        taken = (cover > LEAST_COVER) & (cover >= around / 2) & (cover > most)
        shown[taken], most[taken] = kind, cover[taken]
    return shown


def defects_of(mask: Pixels, kinds: list[str]) -> list[Defect]:
    """Return the connected parts of a mask, as `parts_of` tells them apart."""
    return [
        Defect(kinds[part.value - 1], part.box_px, int(np.count_nonzero(part.covers_HW))) for part in parts_of(mask)
    ]


def _cut_out(mask: Pixels, outline: Outline, params: CropResizeParameters) -> tuple[Pixels, int]:
    """Return the crop of a mask, and how many pixels of defects it leaves out."""
    if params.find == "outline":
        return straighten_mask(mask, outline, params.margin_share), _outside_px(mask, outline, params.margin_share)
    crop = filled_up_mask(window(mask, outline))
    return crop, int(np.count_nonzero(mask)) - int(np.count_nonzero(crop))


def _outside_px(mask: Pixels, outline: Outline, margin_share: float) -> int:
    """Return how many pixels of defects a straightened crop leaves out."""
    outside = mask.copy()
    corners = np.rint(crop_corners(outline, margin_share)).astype(np.int32)
    cv2.fillConvexPoly(outside, corners, (0.0,))
    return int(np.count_nonzero(outside))
