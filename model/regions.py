"""The regions r' of an image, and the maps between a full image and its regions.

Dimensions: B batch, C channels, H W pixels, R = g * g regions, numbered row by row from the top left
(for g = 2: top-left, top-right, bottom-left, bottom-right).
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor


def psi(x_BCHW: Tensor, region: int, grid: int) -> Tensor:
    """Return region r' of full images, a view, B x C x H/g x W/g: psi(x, r') of the paper.

    Raises ValueError if the image cannot be divided, or has no such region.
    """
    height_px, width_px = x_BCHW.shape[-2:]
    if height_px % grid or width_px % grid:
        raise ValueError(f"{height_px} x {width_px} px cannot be divided into {grid} x {grid} regions")
    if not 0 <= region < grid * grid:
        raise ValueError(f"region {region} of a {grid} x {grid} grid: expected 0 to {grid * grid - 1}")
    row, column = divmod(region, grid)
    h_px, w_px = height_px // grid, width_px // grid
    return x_BCHW[..., row * h_px : (row + 1) * h_px, column * w_px : (column + 1) * w_px]


def phi(regions_BCHW: Sequence[Tensor], grid: int) -> Tensor:
    """Return the full images that g * g regions merge into, B x C x gH x gW: phi(G(z, R'')) of the paper.

    It is the inverse of `psi` over all regions. Raises ValueError for a wrong number of regions.
    """
    if len(regions_BCHW) != grid * grid:
        raise ValueError(f"{len(regions_BCHW)} regions for a {grid} x {grid} grid: expected {grid * grid}")
    rows = [torch.cat(list(regions_BCHW[row * grid : (row + 1) * grid]), dim=-1) for row in range(grid)]
    return torch.cat(rows, dim=-2)


class Window(NamedTuple):
    """A square part of an image, anywhere, given by its top left pixel and its side."""

    top_px: int
    left_px: int
    side_px: int

    def of(self, x_BCHW: Tensor) -> Tensor:
        """Return this window of images, a view, B x C x side x side: psi(x, r') for an arbitrary r'."""
        top_px, left_px, side_px = self
        return x_BCHW[..., top_px : top_px + side_px, left_px : left_px + side_px]
