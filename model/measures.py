"""How far generated images are from real ones, and how visible their seams are.

Images are looked at one by one or a few at a time, and what is kept of each is small: whatever their size and number,
no more of them than that need be in memory.

Dimensions: N images, C channels, H W pixels, F features, O orders of difference (1, 2).
"""

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from .pixels import to_float

FEATURE_SEED = 20240229
FEATURE_WIDTHS = (16, 32, 64)
SEAM_OFFSETS_PX = range(3, 17)
RESAMPLES = 500


class RandomFeatures(nn.Module):
    """A convolutional network with pinned random weights; what it sees is the basis of `frechet_random`.

    Random features rank generators much as trained ones do when images are alike in kind (Naeem et al. 2020,
    arXiv:2002.09797, use them for images far from ImageNet), and need no download. The distance is not FID and not
    comparable with one: different features, native resolution. It is comparable between models on the same data.
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
        """Return N x F features (float64) of uint8 images: the mean of every map of every layer."""
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


def frechet_distance(a_NF: Tensor, b_NF: Tensor) -> float:
    """Return the Frechet distance between the Gaussians fitted to two sets of features.

    |mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)) (Dowson and Landau 1982), in float64.
    Raises ValueError for fewer than two samples.
    """
    if min(len(a_NF), len(b_NF)) < 2:
        raise ValueError("a Frechet distance needs at least two samples on each side")
    cov_a, cov_b = torch.cov(a_NF.T), torch.cov(b_NF.T)
    root_a = _square_root(cov_a)
    overlap = torch.linalg.eigvalsh(root_a @ cov_b @ root_a).clamp(min=0).sqrt().sum()
    means = (a_NF.mean(dim=0) - b_NF.mean(dim=0)).square().sum()
    return max(float(means + cov_a.trace() + cov_b.trace() - 2 * overlap), 0.0)


def _square_root(symmetric: Tensor) -> Tensor:
    values, vectors = torch.linalg.eigh(symmetric)
    root: Tensor = vectors * values.clamp(min=0).sqrt() @ vectors.T
    return root


@dataclass(frozen=True)
class SeamVisibility:
    """Seam excess ratios: 1 where generated images show no more at the borders than real ones.

    Two-sided: above 1 a seam stands out, below 1 something blurred or doubled it away.
    """

    ser1: float
    """From the size of the steps across the border."""
    ser2: float
    """From the size of the steps less the mean of their two neighbours: what stands out of a slope."""


def border_differences(x_NCHW: Tensor, grid: int) -> Tensor:
    """Return what `seam_visibility` compares, of uint8 images at the inner borders of a g x g grid: N x O x 2.

    Per image and order, the mean size of the steps across the borders, and at 3..16 px from them, both directions
    together. Raises ValueError where regions are too small to hold the offsets.
    """
    if x_NCHW.shape[-1] // grid <= SEAM_OFFSETS_PX.stop + 1:
        raise ValueError(f"regions of {x_NCHW.shape[-1] // grid} px are too small to judge seams")
    directions = (x_NCHW, x_NCHW.transpose(-1, -2))
    orders = [sum(_steps(x, grid, order) for x in directions) for order in (1, 2)]
    return torch.stack([torch.as_tensor(differences_N2) for differences_N2 in orders], dim=1)


def _steps(x_NCHW: Tensor, grid: int, order: int) -> Tensor:
    """Return per image the mean step across the inner vertical borders, and the one some pixels away: N x 2."""
    steps = x_NCHW.float().diff(dim=-1)
    if order == 2:
        steps = functional.pad(steps[..., 1:-1] - (steps[..., :-2] + steps[..., 2:]) / 2, (1, 1))
    size_NW = steps.abs().mean(dim=(1, 2)).double()
    region_px = x_NCHW.shape[-1] // grid
    borders = [region_px * column - 1 for column in range(1, grid)]
    away = [border + sign * offset for border in borders for offset in SEAM_OFFSETS_PX for sign in (-1, 1)]
    return torch.stack([size_NW[:, borders].mean(dim=1), size_NW[:, away].mean(dim=1)], dim=1)


def seam_visibility(generated_NO2: Tensor, real_NO2: Tensor) -> SeamVisibility:
    """Return the seam excess ratios of images whose `border_differences` these are.

    [mean |step across the border| / mean |step away from it|] of the generated images over the same of the real ones;
    flat generated images give 0. Raises ValueError where real images are flat.
    """
    return SeamVisibility(*_excess_ratios(generated_NO2, real_NO2).tolist())


def seam_interval(real_NO2: Tensor, stream: torch.Generator, share: float = 0.95) -> tuple[float, float]:
    """Return between which values SER1 and SER2 of real images against real images lie, in `share` of the cases.

    Bootstrapped: both sides are drawn from the same images with replacement, and the wider interval of the two
    ratios is returned. Generated images inside of it cannot be told from real ones by their borders.
    """
    draws = torch.randint(len(real_NO2), (2, RESAMPLES, len(real_NO2)), generator=stream)
    ratios = torch.stack([_excess_ratios(real_NO2[a], real_NO2[b]) for a, b in zip(*draws, strict=True)])
    tail = (1 - share) / 2
    low, high = ratios.quantile(tail, dim=0), ratios.quantile(1 - tail, dim=0)
    return float(low.min()), float(high.max())


def _excess_ratios(generated_NO2: Tensor, real_NO2: Tensor) -> Tensor:
    """Return SER1 and SER2."""
    excess = []
    for differences_O2 in (generated_NO2.mean(dim=0), real_NO2.mean(dim=0)):
        at_border, away = differences_O2.unbind(dim=1)
        excess.append(torch.where(away > 0, at_border / away, 0.0))
    generated, real = excess
    if not (real > 0).all():
        raise ValueError("the real images have no structure at the borders to compare with")
    return generated / real


def mean_pairwise_distance(features_NF: Tensor) -> float:
    """Return the mean Euclidean distance between two different samples: how much a set differs within itself."""
    return float(torch.pdist(features_NF).mean())


def nearest_distance(samples_NF: Tensor, others_MF: Tensor | None = None) -> float:
    """Return the mean Euclidean distance of each sample to the nearest of the others, or else of one another.

    Among one another, it tells whether samples repeat each other, which the mean over all pairs hardly does when they
    form groups; it falls with their number. Equal samples are at no distance, not even by rounding.
    """
    exactly = "donot_use_mm_for_euclid_dist"
    if others_MF is None:
        distances_NM = torch.cdist(samples_NF, samples_NF, compute_mode=exactly).fill_diagonal_(torch.inf)
    else:
        distances_NM = torch.cdist(samples_NF, others_MF, compute_mode=exactly)
    return float(distances_NM.amin(dim=1).mean())


def random_patches(x_NCHW: Tensor, side_px: int, per_image: int, stream: torch.Generator) -> Tensor:
    """Return square patches at random places, at native resolution: (N * per_image) x C x side x side.

    Distances on patches see detail that distances on whole images average away (pFID, Lin et al. 2019,
    arXiv:1904.00284).
    """
    height_px, width_px = x_NCHW.shape[-2:]
    places = torch.randint(min(height_px, width_px) - side_px + 1, (len(x_NCHW), per_image, 2), generator=stream)
    return torch.stack(
        [
            image[:, top : top + side_px, left : left + side_px]
            for image, spots in zip(x_NCHW, places.tolist(), strict=True)
            for top, left in spots
        ]
    )
