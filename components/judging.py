"""How a generator is measured against the held-out images: the same way when it is evaluated and when it is compared.

Dimensions: N images, C channels, H W pixels, F features.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from components.dataset import load_packages
from components.generators import generate
from components.manifest import PackageManifest, read_manifest
from model.measures import frechet_distance, random_features
from model.paper import Generator


@dataclass(frozen=True)
class HeldOut:
    """The real images that a generator never saw, and how many generated ones are held against them."""

    x_NCHW: Tensor
    features_NF: Tensor
    generated_images: int
    seed: int

    def samples(self, generator: Generator) -> Tensor:
        """Return the generated images that are measured, uint8."""
        return torch.stack(list(generate(generator, self.generated_images, self.seed)))

    def frechet_random(self, x_NCHW: Tensor) -> float:
        """Return the Frechet distance of images to the held-out ones on pinned random features."""
        return frechet_distance(random_features(x_NCHW), self.features_NF)


def load_held_out(packages: Path, size_px: int, generated_images: int, seed: int) -> HeldOut:
    """Return the held-out images of the `packages` folder at one size, ready to measure against."""
    x_NCHW = load_packages(packages, size_px, "held_out")
    return HeldOut(x_NCHW, random_features(x_NCHW), generated_images, seed)


def held_out_sha256(packages: Path, size_px: int) -> str:
    """Return the digest of the held-out images of one size, whatever their order or names."""
    manifest = read_manifest(packages, PackageManifest)
    digests = sorted(image.sha256[str(size_px)] for image in manifest.images if image.split == "held_out")
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
