"""How a generator is measured against the held-out images: the same way when it is evaluated and when it is compared.

Dimensions: N images, C channels, H W pixels, F features.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from components.dataset import load_packages
from components.errors import UserError
from components.generators import generate
from components.manifest import PackageManifest, read_manifest
from components.variants import Generator
from model.measures import (
    frechet_distance,
    mean_pairwise_distance,
    random_features,
    random_patches,
    seam_interval,
    seam_visibility,
)
from model.paper import GRID
from model.streams import random_stream

LEAST_HELD_OUT = 2
PATCH_PX = 32
PATCHES_PER_IMAGE = 4


@dataclass(frozen=True)
class Measures:
    """What is measured of a generator; `frechet_random` is a Frechet distance on pinned random features, not FID."""

    frechet_random: float
    """Whole images to the held-out ones."""
    frechet_random_floor: float
    """Between two random halves of all real images: as close as this measure can tell."""
    frechet_random_untrained: float
    """The same generator before its first training step."""
    frechet_random_patches: float
    """Patches at native resolution to patches of the held-out images."""
    frechet_random_patches_floor: float
    """Patches of two random halves of all real images."""
    diversity: float
    """Mean pairwise feature distance of the generated images over that of the held-out ones."""
    ser1: float
    """Seam excess ratio of the steps across the inner borders; 1 is as in the held-out images."""
    ser2: float
    """The same of what stands out of the neighbouring steps."""
    ser_real_low: float
    """The seam excess ratios of real images against real ones lie above this in 97.5% of the cases ..."""
    ser_real_high: float
    """... and below this."""


@dataclass(frozen=True)
class HeldOut:
    """The real images that a generator never saw, and how many generated ones are held against them."""

    x_NCHW: Tensor
    features_NF: Tensor
    generated_images: int
    seed: int

    def samples(self, generator: Generator) -> Tensor:
        """Return the generated images that are measured, uint8."""
        x_NCHW = torch.empty(self.generated_images, *self.x_NCHW.shape[1:], dtype=torch.uint8)
        for x_CHW, made_CHW in zip(x_NCHW, generate(generator, self.generated_images, self.seed), strict=True):
            x_CHW.copy_(made_CHW)
        return x_NCHW

    def frechet_random(self, x_NCHW: Tensor) -> float:
        """Return the Frechet distance of images to the held-out ones."""
        return frechet_distance(random_features(x_NCHW), self.features_NF)

    def frechet_random_patches(self, x_NCHW: Tensor) -> float:
        """Return the Frechet distance of patches of images to patches of the held-out ones."""
        return _patches_distance(x_NCHW, self.x_NCHW, self.seed)


def load_held_out(packages: Path, size_px: int, generated_images: int, seed: int) -> HeldOut:
    """Return the held-out images of the `packages` folder at one size; fewer than two are a UserError."""
    x_NCHW = load_packages(packages, size_px, "held_out")
    if len(x_NCHW) < LEAST_HELD_OUT:
        raise UserError(f"{packages}: only {len(x_NCHW)} held-out image; raise ingest.held_out_share")
    return HeldOut(x_NCHW, random_features(x_NCHW), generated_images, seed)


def measure(generated_NCHW: Tensor, untrained_NCHW: Tensor, held_out: HeldOut, real_NCHW: Tensor) -> Measures:
    """Return the measures of generated images; `real_NCHW` are all real ones. Images too small are a UserError."""
    order = torch.randperm(len(real_NCHW), generator=random_stream(held_out.seed, "floor"))
    first, second = real_NCHW[order].tensor_split(2)
    generated_features = random_features(generated_NCHW)
    try:
        seams = seam_visibility(generated_NCHW, held_out.x_NCHW, GRID)
        low, high = seam_interval(held_out.x_NCHW, GRID, random_stream(held_out.seed, "seams"))
    except ValueError as error:
        raise UserError(f"seams cannot be judged: {error}") from error
    return Measures(
        frechet_random=frechet_distance(generated_features, held_out.features_NF),
        frechet_random_floor=frechet_distance(random_features(first), random_features(second)),
        frechet_random_untrained=held_out.frechet_random(untrained_NCHW),
        frechet_random_patches=held_out.frechet_random_patches(generated_NCHW),
        frechet_random_patches_floor=_patches_distance(first, second, held_out.seed),
        diversity=mean_pairwise_distance(generated_features) / mean_pairwise_distance(held_out.features_NF),
        ser1=seams.ser1,
        ser2=seams.ser2,
        ser_real_low=low,
        ser_real_high=high,
    )


def _patches_distance(a_NCHW: Tensor, b_NCHW: Tensor, seed: int) -> float:
    features = (
        random_features(random_patches(x_NCHW, PATCH_PX, PATCHES_PER_IMAGE, random_stream(seed, "patches", side)))
        for side, x_NCHW in enumerate((a_NCHW, b_NCHW))
    )
    return frechet_distance(*features)


def held_out_sha256(packages: Path, size_px: int) -> str:
    """Return the digest of the held-out images of one size, whatever their order or names."""
    manifest = read_manifest(packages, PackageManifest)
    if size_px not in manifest.sizes_px:
        raise UserError(f"{packages}: no images of {size_px} px; see crop_resize.sizes_px")
    digests = sorted(image.sha256[str(size_px)] for image in manifest.images if image.split == "held_out")
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
