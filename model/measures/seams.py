"""How visible the seams between regions are.

Dimensions: N images, C channels, H W pixels, O orders of difference (1, 2).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

SEAM_OFFSETS_PX = range(3, 17)
RESAMPLES = 500


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
