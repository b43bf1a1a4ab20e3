"""Packages as tensors: what `crop_resize` wrote, verified and held in memory as uint8.

Dimensions: N images, C channels, H W pixels.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from components.errors import UserError
from components.images import UnusableImageError, read_image
from components.manifest import Package, PackageManifest, Split, read_manifest


def load_packages(folder: Path, size_px: int, split: Split | None = None) -> Tensor:
    """Return the packages of one split (or of both), N x C x H x W, uint8, in the manifest's order.

    Raises UserError for a size that was not made, an empty split, or a file that differs from the manifest.
    """
    manifest = read_manifest(folder, PackageManifest)
    if size_px not in manifest.sizes_px:
        made = ", ".join(str(size) for size in manifest.sizes_px)
        raise UserError(f"{folder}: no images of {size_px} px; crop_resize.sizes_px made {made}")
    packages = [package for package in manifest.images if split in (None, package.split)]
    if not packages:
        raise UserError(f"{folder}: no {split} images; see ingest.held_out_share and the number of lots")
    return torch.stack([_load(folder, package, str(size_px)) for package in packages])


def _load(folder: Path, package: Package, size: str) -> Tensor:
    path = folder / package.files[size]
    try:
        pixels = read_image(path, package.sha256[size])
    except (UnusableImageError, OSError) as error:
        raise UserError(f"{path}: {error}; run crop_resize again") from error
    return torch.from_numpy(np.atleast_3d(pixels)).permute(2, 0, 1).contiguous()
