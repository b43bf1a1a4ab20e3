"""The measures of the recorded tables: distances on the features of a fixed random network.

They rank generators by colour more than by texture and take blur for success, so `evaluate` does not use them. They
stay here because the recorded tables were measured with them.

Dimensions: N M images, C channels, H W pixels, F features, P patches per image, T values of a thumbnail, O orders of
difference (1, 2).
"""

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from fabgan.components.artifacts.packages import Packages
from fabgan.components.core.errors import UserError
from fabgan.components.core.progress import Progress
from fabgan.model.measures.distances import frechet_distance
from fabgan.model.measures.seams import border_differences, seam_visibility
from fabgan.model.paper.config import GRID
from fabgan.model.pixels import thumbnails, to_float
from fabgan.model.streams import random_stream

FEATURE_SEED = 20240229
FEATURE_WIDTHS = (16, 32, 64)
MIN_HELD_OUT = 2
PATCH_PX = 32
RESAMPLES = 500
PATCHES_PER_IMAGE = 4


class RandomFeatures(nn.Module):
    """A convolutional network with fixed random weights. Its features are the basis of `frechet_random`.

    Random features rank generators much as trained ones do when the images are of a similar type (Naeem et al. 2020,
    arXiv:2002.09797, use them for images far from ImageNet). They need no download. The distance is not FID and cannot
    be compared with FID: its features differ, and images keep their native resolution. It can be compared between
    models on the same data.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        stream = torch.Generator().manual_seed(FEATURE_SEED)
        widths = (channels, *FEATURE_WIDTHS)
        self.weights = nn.ParameterList(
            nn.Parameter(torch.randn(wide, narrow, 4, 4, generator=stream) * (2 / (narrow * 16)) ** 0.5)
            for narrow, wide in pairwise(widths)
        )
        self.requires_grad_(False)

    def forward(self, x_NCHW: Tensor) -> Tensor:
        """Return N x F features (float64) of uint8 images: the spatial mean of each map of each layer."""
        x = to_float(x_NCHW)
        means = []
        for weight in self.weights:
            x = functional.leaky_relu(functional.conv2d(x, weight, stride=2, padding=1), 0.2)
            means.append(x.mean(dim=(2, 3)))
        return torch.cat(means, dim=1).double()


_network = cache(RandomFeatures)


def random_features(x_NCHW: Tensor) -> Tensor:
    """Return the N x F random features (float64) of uint8 images."""
    features_NF: Tensor = _network(x_NCHW.shape[1])(x_NCHW)
    return features_NF


def mean_pairwise_distance(features_NF: Tensor) -> float:
    """Return the mean Euclidean distance over all pairs of samples: the diversity of a set."""
    return float(torch.pdist(features_NF).mean())


def nearest_distance(samples_NF: Tensor, others_MF: Tensor | None = None) -> float:
    """Return the mean Euclidean distance of each sample to the nearest of `others_MF`.

    Without `others_MF`, it is the distance to the nearest other sample. It is then small if samples repeat each other,
    which the mean over all pairs hardly shows when samples form groups. It falls as the number of samples grows. Equal
    samples have distance 0 exactly, without rounding errors.
    """
    exactly = "donot_use_mm_for_euclid_dist"
    if others_MF is None:
        distances_NM = torch.cdist(samples_NF, samples_NF, compute_mode=exactly).fill_diagonal_(torch.inf)
    else:
        distances_NM = torch.cdist(samples_NF, others_MF, compute_mode=exactly)
    return float(distances_NM.amin(dim=1).mean())


def random_patches(x_NCHW: Tensor, side_px: int, per_image: int, stream: torch.Generator) -> Tensor:
    """Return square patches at random positions, at native resolution: (N * per_image) x C x side x side.

    Distances between patches measure detail that distances between whole images average away (pFID, Lin et al. 2019,
    arXiv:1904.00284).
    """
    height_px, width_px = x_NCHW.shape[-2:]
    positions = torch.randint(min(height_px, width_px) - side_px + 1, (len(x_NCHW), per_image, 2), generator=stream)
    return torch.stack(
        [
            image[:, top : top + side_px, left : left + side_px]
            for image, corners in zip(x_NCHW, positions.tolist(), strict=True)
            for top, left in corners
        ]
    )


@dataclass(frozen=True)
class Measures:
    """The measures of a generator. `frechet_random` is a Frechet distance on fixed random features, not FID."""

    frechet_random: float
    """Distance of whole generated images to whole held-out images."""
    frechet_random_floor: float
    """Distance between two random halves of all real images, the resolution of this measure."""
    frechet_random_untrained: float
    """Distance of the same generator before its first training step."""
    frechet_random_patches: float
    """Distance of patches at native resolution to patches of the held-out images."""
    frechet_random_patches_floor: float
    """Distance between patches of two random halves of all real images."""
    diversity: float
    """Mean pairwise feature distance of the generated images, relative to held-out images."""
    diversity_nearest: float
    """Mean distance of a thumbnail to its nearest neighbour, relative to as many held-out images."""
    novelty: float
    """Mean distance of a thumbnail to the nearest training image, relative to held-out images. Copies score 0
    (data-copying: Meehan et al. 2020, arXiv:2004.05675)."""
    ser1: float
    """Seam excess ratio of the differences across the inner borders, relative to held-out images (1 = as real)."""
    ser2: float
    """The same of each difference minus the mean of its two neighbours."""
    ser_real_low: float
    """In 97.5% of the cases, the seam excess ratios of real images against real images lie above this ..."""
    ser_real_high: float
    """... and below this."""


@dataclass(frozen=True)
class Features:
    """The features of a set of images."""

    features_NF: Tensor
    patches_NPF: Tensor
    """Features of patches."""
    differences_NO2: Tensor
    """`border_differences`."""
    thumbnails_NT: Tensor
    """They separate images of one kind, whose differences hardly show in random features."""

    def chosen(self, places_N: Tensor) -> "Features":
        """Return the features of some images. `places_N` is an index tensor or a boolean mask."""
        features = self.features_NF, self.patches_NPF, self.differences_NO2, self.thumbnails_NT
        return Features(*(values[places_N] for values in features))

    def frechet_random(self, other: "Features") -> float:
        """Return the Frechet distance of whole images to those of `other`."""
        return frechet_distance(self.features_NF, other.features_NF)

    def frechet_random_patches(self, other: "Features") -> float:
        """Return the Frechet distance of patches to patches of `other`."""
        return frechet_distance(self.patches_NPF.flatten(0, 1), other.patches_NPF.flatten(0, 1))


@dataclass(frozen=True)
class RealFeatures:
    """The features of all real images, of the training images, and of the held-out images."""

    every: Features
    training: Features
    held_out: Features


def extract(images: Iterable[Tensor], stream: torch.Generator, progress: Progress) -> Features:
    """Return the features of images, C x H x W uint8, one by one. `stream` draws the positions of patches.

    Raises UserError for images that are too small to measure their seams.
    """
    extracted = []
    for x_CHW in images:
        extracted.append(_extract_one(x_CHW[None], stream))
        progress.advance(1)
    return Features(*(torch.cat(values) for values in zip(*extracted, strict=True)))


def _extract_one(x_1CHW: Tensor, stream: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    patches_PCHW = random_patches(x_1CHW, PATCH_PX, PATCHES_PER_IMAGE, stream)
    try:
        differences_1O2 = border_differences(x_1CHW, GRID)
    except ValueError as error:
        raise UserError(f"seams cannot be measured: {error}") from error
    return random_features(x_1CHW), random_features(patches_PCHW)[None], differences_1O2, thumbnails(x_1CHW)


def extract_real(packages: Packages, seed: int, progress: Progress) -> RealFeatures:
    """Return the features of all real images. Raises UserError for fewer than two held-out images."""
    held_out_N = torch.tensor([package.split == "held_out" for package in packages.listed])
    if (count := int(held_out_N.sum())) < MIN_HELD_OUT:
        raise UserError(f"{packages.folder}: only {count} held-out image(s); raise ingest.held_out_share")
    every = extract(packages, random_stream(seed, "patches", "real"), progress)
    return RealFeatures(every, every.chosen(~held_out_N), every.chosen(held_out_N))


def seam_interval(real_NO2: Tensor, stream: torch.Generator, share: float = 0.95) -> tuple[float, float]:
    """Return the lower and upper bound of SER1 and SER2 between real images, in `share` of the cases.

    The interval is bootstrapped: both sides are drawn with replacement from the same images. It covers the intervals of
    both ratios. Generated images inside it cannot be distinguished from real ones by their borders.
    """
    draws = torch.randint(len(real_NO2), (2, RESAMPLES, len(real_NO2)), generator=stream)
    ratios = torch.tensor([astuple(seam_visibility(real_NO2[a], real_NO2[b])) for a, b in zip(*draws, strict=True)])
    tail = (1 - share) / 2
    low, high = ratios.quantile(tail, dim=0), ratios.quantile(1 - tail, dim=0)
    return float(low.min()), float(high.max())


def measure(generated: Features, untrained: Features, real: RealFeatures, seed: int) -> Measures:
    """Return the measures of generated images. Raises UserError if real images are flat, or all have duplicates."""
    order_N = torch.randperm(len(real.every.features_NF), generator=random_stream(seed, "floor"))
    first, second = map(real.every.chosen, order_N.tensor_split(2))
    try:
        seams = seam_visibility(generated.differences_NO2, real.held_out.differences_NO2)
        low, high = seam_interval(real.held_out.differences_NO2, random_stream(seed, "seams"))
    except ValueError as error:
        raise UserError(f"seams cannot be measured: {error}") from error
    pairwise_generated, pairwise_real = map(mean_pairwise_distance, (generated.features_NF, real.held_out.features_NF))
    generated_NT, held_out_NT, training_NT = (
        features.thumbnails_NT for features in (generated, real.held_out, real.training)
    )
    # Equal counts, since the nearest of more images is nearer. In random order, since images of a lot are similar.
    count = min(len(generated_NT), len(held_out_NT))
    held_out_NT = held_out_NT[torch.randperm(len(held_out_NT), generator=random_stream(seed, "nearest"))[:count]]
    return Measures(
        frechet_random=generated.frechet_random(real.held_out),
        frechet_random_floor=first.frechet_random(second),
        frechet_random_untrained=untrained.frechet_random(real.held_out),
        frechet_random_patches=generated.frechet_random_patches(real.held_out),
        frechet_random_patches_floor=first.frechet_random_patches(second),
        diversity=_relative_to_real(pairwise_generated, pairwise_real),
        diversity_nearest=_relative_to_real(nearest_distance(generated_NT[:count]), nearest_distance(held_out_NT)),
        novelty=_relative_to_real(
            nearest_distance(generated_NT, training_NT), nearest_distance(held_out_NT, training_NT)
        ),
        ser1=seams.ser1,
        ser2=seams.ser2,
        ser_real_low=low,
        ser_real_high=high,
    )


def _relative_to_real(generated: float, real: float) -> float:
    if not real:
        raise UserError("diversity cannot be measured: held-out images have exact copies; keep one photograph of each")
    return generated / real
