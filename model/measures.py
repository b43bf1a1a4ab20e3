"""How far generated images are from real ones, and how visible their seams are.

Features are extracted from one image or a few images at a time, and few numbers are kept of each. So only these few
images have to be in memory, whatever the number and size of all images.

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
    """Seam excess ratios: 1 if neighbouring pixels differ at the borders as they do in real images.

    The ratios are two-sided. Above 1, a seam is visible. Below 1, the seam was blurred or covered by repeated pixels.
    """

    ser1: float
    """From the absolute differences across the border."""
    ser2: float
    """The same of each difference minus the mean of its two neighbours, so that a slope does not count."""


def border_differences(x_NCHW: Tensor, grid: int) -> Tensor:
    """Return the differences that `seam_visibility` compares, of uint8 images: N x O x 2.

    The borders are the inner borders of a grid x grid division. The last axis holds the mean absolute difference across
    the borders, and that at 3..16 px from them. Both directions are added up. Raises ValueError if regions are too
    small for these offsets.
    """
    if x_NCHW.shape[-1] // grid <= SEAM_OFFSETS_PX.stop + 1:
        raise ValueError(f"regions of {x_NCHW.shape[-1] // grid} px are too small to measure seams")
    directions = (x_NCHW, x_NCHW.transpose(-1, -2))
    orders = [sum(_differences(x, grid, order) for x in directions) for order in (1, 2)]
    return torch.stack([torch.as_tensor(differences_N2) for differences_N2 in orders], dim=1)


def _differences(x_NCHW: Tensor, grid: int, order: int) -> Tensor:
    """Return the mean absolute difference across the inner vertical borders, and that some pixels away: N x 2."""
    differences = x_NCHW.float().diff(dim=-1)
    if order == 2:
        differences = functional.pad(
            differences[..., 1:-1] - (differences[..., :-2] + differences[..., 2:]) / 2, (1, 1)
        )
    magnitude_NW = differences.abs().mean(dim=(1, 2)).double()
    region_px = x_NCHW.shape[-1] // grid
    borders = [region_px * column - 1 for column in range(1, grid)]
    away = [border + sign * offset for border in borders for offset in SEAM_OFFSETS_PX for sign in (-1, 1)]
    return torch.stack([magnitude_NW[:, borders].mean(dim=1), magnitude_NW[:, away].mean(dim=1)], dim=1)


def seam_visibility(generated_NO2: Tensor, real_NO2: Tensor) -> SeamVisibility:
    """Return the seam excess ratios, from the `border_differences` of generated and of real images.

    A ratio is the quotient [mean |difference across the border| / mean |difference away from it|] of the generated
    images, divided by the same quotient of the real ones. Flat generated images give 0. Raises ValueError if the real
    images are flat.
    """
    return SeamVisibility(*_excess_ratios(generated_NO2, real_NO2).tolist())


def seam_interval(real_NO2: Tensor, stream: torch.Generator, share: float = 0.95) -> tuple[float, float]:
    """Return the lower and upper bound of SER1 and SER2 between real images, in `share` of the cases.

    The interval is bootstrapped: both sides are drawn with replacement from the same images. It covers the intervals of
    both ratios. Generated images inside it cannot be distinguished from real ones by their borders.
    """
    draws = torch.randint(len(real_NO2), (2, RESAMPLES, len(real_NO2)), generator=stream)
    ratios = torch.stack([_excess_ratios(real_NO2[a], real_NO2[b]) for a, b in zip(*draws, strict=True)])
    tail = (1 - share) / 2
    low, high = ratios.quantile(tail, dim=0), ratios.quantile(1 - tail, dim=0)
    return float(low.min()), float(high.max())


def _excess_ratios(generated_NO2: Tensor, real_NO2: Tensor) -> Tensor:
    """Return SER1 and SER2, a tensor of two."""
    excess = []
    for differences_O2 in (generated_NO2.mean(dim=0), real_NO2.mean(dim=0)):
        at_border, away = differences_O2.unbind(dim=1)
        excess.append(torch.where(away > 0, at_border / away, 0.0))
    generated, real = excess
    if not (real > 0).all():
        raise ValueError("the real images have no structure at the borders to compare with")
    return generated / real


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
