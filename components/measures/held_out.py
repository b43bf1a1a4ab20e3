"""How a generator is measured against the held-out images: the same way when it is evaluated and when it is compared.

Images are looked at one after the other, and let go: at 4096 px, a thousand of them would fill 50 GB.

Dimensions: N images, C channels, H W pixels, F features, P patches an image, T values of a thumbnail, O orders of
difference (1, 2).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fabgan.model.measures import (
    border_differences,
    frechet_distance,
    mean_pairwise_distance,
    nearest_distance,
    random_features,
    random_patches,
    seam_interval,
    seam_visibility,
)
from fabgan.model.paper.config import GRID
from fabgan.model.pixels import thumbnails
from fabgan.model.streams import random_stream

from ..artifacts.packages import Packages, open_packages
from ..core.errors import UserError
from ..core.progress import Progress

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
    diversity_nearest: float
    """Mean distance of a thumbnail to the one most like it, over that of as many held-out ones."""
    novelty: float
    """Mean distance of a thumbnail to the training image most like it, over that of held-out ones: 0 for copies
    (data-copying: Meehan et al. 2020, arXiv:2004.05675)."""
    ser1: float
    """Seam excess ratio of the steps across the inner borders; 1 is as in the held-out images."""
    ser2: float
    """The same of what stands out of the neighbouring steps."""
    ser_real_low: float
    """The seam excess ratios of real images against real ones lie above this in 97.5% of the cases ..."""
    ser_real_high: float
    """... and below this."""


@dataclass(frozen=True)
class Features:
    """What is kept of images that were looked at."""

    features_NF: Tensor
    patches_NPF: Tensor
    """Features of patches."""
    differences_NO2: Tensor
    """`border_differences`."""
    thumbnails_NT: Tensor
    """They tell images of one kind apart, whose differences hardly show in random features."""

    def chosen(self, places_N: Tensor) -> "Features":
        """Return what was kept of some of the images; `places_N` are their places, or say of each whether it counts."""
        kept = self.features_NF, self.patches_NPF, self.differences_NO2, self.thumbnails_NT
        return Features(*(values[places_N] for values in kept))

    def frechet_random(self, other: "Features") -> float:
        """Return the Frechet distance of whole images to others."""
        return frechet_distance(self.features_NF, other.features_NF)

    def frechet_random_patches(self, other: "Features") -> float:
        """Return the Frechet distance of patches to patches of others."""
        return frechet_distance(self.patches_NPF.flatten(0, 1), other.patches_NPF.flatten(0, 1))


@dataclass(frozen=True)
class RealFeatures:
    """What is kept of the real images: all, those that a generator may have learned from, and the others."""

    every: Features
    training: Features
    held_out: Features


def extract(images: Iterable[Tensor], stream: torch.Generator, progress: Progress) -> Features:
    """Look at images, C x H x W uint8, and let them go; `stream` draws where their patches lie.

    Raises UserError for images too small to judge their seams.
    """
    seen = []
    for x_CHW in images:
        seen.append(_extracted(x_CHW[None], stream))
        progress.advance(1)
    return Features(*(torch.cat(kept) for kept in zip(*seen, strict=True)))


def _extracted(x_1CHW: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    patches_PCHW = random_patches(x_1CHW, PATCH_PX, PATCHES_PER_IMAGE, stream)
    try:
        differences_1O2 = border_differences(x_1CHW, GRID)
    except ValueError as error:
        raise UserError(f"seams cannot be judged: {error}") from error
    return random_features(x_1CHW), random_features(patches_PCHW)[None], differences_1O2, thumbnails(x_1CHW)


def extract_real(packages: Packages, seed: int, progress: Progress) -> RealFeatures:
    """Look at all real images; fewer than two held-out ones are a UserError."""
    held_out_N = torch.tensor([package.split == "held_out" for package in packages.listed])
    if (count := int(held_out_N.sum())) < LEAST_HELD_OUT:
        raise UserError(f"{packages.folder}: only {count} held-out image(s); raise ingest.held_out_share")
    every = extract(packages, random_stream(seed, "patches", "real"), progress)
    return RealFeatures(every, every.chosen(~held_out_N), every.chosen(held_out_N))


def measure(generated: Features, untrained: Features, real: RealFeatures, seed: int) -> Measures:
    """Return the measures of generated images; real ones that are flat, or each have an equal, are a UserError."""
    order_N = torch.randperm(len(real.every.features_NF), generator=random_stream(seed, "floor"))
    first, second = map(real.every.chosen, order_N.tensor_split(2))
    try:
        seams = seam_visibility(generated.differences_NO2, real.held_out.differences_NO2)
        low, high = seam_interval(real.held_out.differences_NO2, random_stream(seed, "seams"))
    except ValueError as error:
        raise UserError(f"seams cannot be judged: {error}") from error
    of_generated, of_real = map(mean_pairwise_distance, (generated.features_NF, real.held_out.features_NF))
    made_NT, held_out_NT, training_NT = (seen.thumbnails_NT for seen in (generated, real.held_out, real.training))
    # As many: the nearest of more are nearer. Listed are lot after lot, of which a few would be too much alike.
    count = min(len(made_NT), len(held_out_NT))
    held_out_NT = held_out_NT[torch.randperm(len(held_out_NT), generator=random_stream(seed, "nearest"))[:count]]
    return Measures(
        frechet_random=generated.frechet_random(real.held_out),
        frechet_random_floor=first.frechet_random(second),
        frechet_random_untrained=untrained.frechet_random(real.held_out),
        frechet_random_patches=generated.frechet_random_patches(real.held_out),
        frechet_random_patches_floor=first.frechet_random_patches(second),
        diversity=_over_real(of_generated, of_real),
        diversity_nearest=_over_real(nearest_distance(made_NT[:count]), nearest_distance(held_out_NT)),
        novelty=_over_real(nearest_distance(made_NT, training_NT), nearest_distance(held_out_NT, training_NT)),
        ser1=seams.ser1,
        ser2=seams.ser2,
        ser_real_low=low,
        ser_real_high=high,
    )


def _over_real(generated: float, real: float) -> float:
    if not real:
        raise UserError("diversity cannot be judged: held-out images have equals; keep copies out of the photographs")
    return generated / real


def held_out_sha256(packages: Path, size_px: int) -> str:
    """Return the digest of the held-out images of one size, whatever their order or names."""
    held_out = open_packages(packages, size_px, "held_out").listed
    digests = sorted(package.sha256[str(size_px)] for package in held_out)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
