"""How visible the seams between regions are.

Dimensions: N images, C channels, H W pixels, O orders of difference (1, 2).
"""

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

SEAM_OFFSETS_PX = range(3, 17)
REACH_PX = SEAM_OFFSETS_PX.stop
"""One more than the largest offset, because second differences need a neighbour."""


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
    region_px = x_NCHW.shape[-1] // grid
    around = torch.stack([_around(x_NCHW, region_px * column - 1, order) for column in range(1, grid)]).mean(dim=0)
    away = [REACH_PX + sign * offset for offset in SEAM_OFFSETS_PX for sign in (-1, 1)]
    return torch.stack([around[:, REACH_PX], around[:, away].mean(dim=1)], dim=1)


def _around(x_NCHW: Tensor, border: int, order: int) -> Tensor:
    """Return the mean absolute differences from `REACH_PX` left of a border to as far right of it."""
    differences = x_NCHW[..., border - REACH_PX : border + REACH_PX + 2].float().diff(dim=-1)
    if order == 2:
        differences = functional.pad(
            differences[..., 1:-1] - (differences[..., :-2] + differences[..., 2:]) / 2, (1, 1)
        )
    return differences.abs().mean(dim=(1, 2)).double()


def seam_visibility(generated_NO2: Tensor, real_NO2: Tensor) -> SeamVisibility:
    """Return the seam excess ratios, from the `border_differences` of generated and of real images.

    A ratio is the quotient [mean |difference across the border| / mean |difference away from it|] of the generated
    images, divided by the same quotient of the real ones. Flat generated images give 0. Raises ValueError if the real
    images are flat.
    """
    return SeamVisibility(*_excess_ratios(generated_NO2, real_NO2).tolist())


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
