"""Packages as tensors. The files of `crop_resize` are verified as they are read.

Dimensions: N images, C channels, H W pixels.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ..core.errors import UserError
from ..core.images import Pixels, read_listed_image
from .manifest import Package, PackageManifest, Split, read_manifest
from .parallel import in_parallel

KNOWN_DIGITS = 12
"""Hexadecimal digits by which a photograph is known again: two of a million have the same with a chance of 1 in 500."""


@dataclass(frozen=True)
class Packages:
    """The packages of a folder at one size, in the manifest's order. Iterating reads them one by one."""

    folder: Path
    size_px: int
    listed: list[Package]
    kinds: list[str] = field(default_factory=list)
    """Kinds of annotated defects. The value k in a mask means the k-th."""

    def __iter__(self) -> Iterator[Tensor]:
        """Yield images, C x H x W uint8. Raises UserError for a file that differs from the manifest.

        As many are read at a time as torch may use cores.
        """
        size = str(self.size_px)

        def loaded(package: Package) -> Tensor:
            return _load(self.folder / package.files[size], package.sha256[size])

        yield from in_parallel(loaded, self.listed, lambda _: self.size_px**2)

    def pixels(self, place: int) -> Pixels:
        """Return the image at a place of the list, H x W x C. Raises UserError for a file that differs."""
        package, size = self.listed[place], str(self.size_px)
        return _read(self.folder / package.files[size], package.sha256[size])

    def masks(self) -> Iterator[Tensor | None]:
        """Yield masks of defects, H x W uint8, and None for packages that were not annotated.

        Raises UserError for a file that differs from the manifest.
        """
        size = str(self.size_px)
        for package in self.listed:
            annotated = bool(package.masks)
            yield _load(self.folder / package.masks[size], package.masks_sha256[size])[0] if annotated else None

    def chosen(self, places: list[int]) -> "Packages":
        """Return the packages at these places of the list."""
        return Packages(self.folder, self.size_px, [self.listed[place] for place in places], self.kinds)


def open_packages(folder: Path, size_px: int, split: Split | None = None) -> Packages:
    """Return the packages of one split, or of both. Raises UserError for a missing size, or an empty split."""
    manifest = read_manifest(folder, PackageManifest)
    if size_px not in manifest.sizes_px:
        sizes = ", ".join(str(size) for size in manifest.sizes_px)
        raise UserError(f"{folder}: no images of {size_px} px; crop_resize.sizes_px made {sizes}")
    listed = [package for package in manifest.images if split in (None, package.split)]
    if not listed:
        raise UserError(f"{folder}: no {split} images; see ingest.held_out_share and the number of lots")
    return Packages(folder, size_px, listed, manifest.kinds)


def load_packages(folder: Path, size_px: int, split: Split | None = None) -> Tensor:
    """Return the packages of `open_packages`, all in memory: N x C x H x W, uint8."""
    packages = open_packages(folder, size_px, split)
    channels = read_manifest(folder, PackageManifest).channels
    x_NCHW = torch.empty(len(packages.listed), channels, size_px, size_px, dtype=torch.uint8)
    for x_CHW, image_CHW in zip(x_NCHW, packages, strict=True):
        x_CHW.copy_(image_CHW)
    return x_NCHW


def held_out_sha256(packages: Path, size_px: int) -> str:
    """Return the digest of the held-out images of one size. It does not depend on their order or names."""
    held_out = open_packages(packages, size_px, "held_out").listed
    digests = sorted(package.sha256[str(size_px)] for package in held_out)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def photographs(packages: Path, size_px: int, split: Split) -> set[str]:
    """Return beginnings of the digests of one split's photographs, by which they can be known again."""
    return {package.source_sha256[:KNOWN_DIGITS] for package in open_packages(packages, size_px, split).listed}


@dataclass(frozen=True)
class Labels:
    """The classes of some images."""

    names: list[str]
    """In alphabetical order."""
    numbers_N: Tensor
    """Indices into `names`, int64."""

    @property
    def all_names(self) -> list[str]:
        """The class of each image."""
        return [self.names[number] for number in self.numbers_N.tolist()]


def load_labels(folder: Path, split: Split) -> Labels:
    """Return the class labels of one split, in the manifest's order.

    Raises UserError if an image has no label, or all images have the same label.
    """
    packages = [package for package in read_manifest(folder, PackageManifest).images if package.split == split]
    found = [package.label for package in packages if package.label is not None]
    names = sorted(set(found))
    if len(found) < len(packages) or len(names) < 2:
        raise UserError(
            f"{folder}: {len(packages) - len(found)} of {len(packages)} {split} images have no label, and the others "
            f"have {len(names)} class(es); training with labels needs a label for every image, and at least two "
            "classes; see ingest.labels_file"
        )
    return Labels(names, torch.tensor([names.index(label) for label in found]))


def _load(path: Path, sha256: str) -> Tensor:
    return torch.from_numpy(_read(path, sha256)).permute(2, 0, 1).contiguous()


def _read(path: Path, sha256: str) -> Pixels:
    return np.atleast_3d(read_listed_image(path, sha256, "crop_resize"))
