"""A generator without seams by construction: one trunk for the whole field, and tiles rendered from crops of it.

The trunk turns the latent z into feature maps of few cells a side, and these into a coarse image of the whole field,
once. All layers that mix positions or images belong to the trunk: batch normalisation, and learned maps of the field,
which give G the position of each cell. The latent is first centred on the learned code of one of a few kinds. Kinds are
clusters of the training images: a fab makes a few products, and packages between two products do not exist. What
differs from ball to ball comes from noise per cell, which is a function of z too.

A tile is the sum of its crop of the coarse image, enlarged, and of detail (skips as in Karras et al. 2020,
arXiv:1912.04958). The detail is rendered from the tile's crop of the trunk. Both crops have a halo of neighbours, and
only the image's true border is padded. So every convolution has the same input as in the whole image. Tiles of any grid
join without a seam, and memory depends on the tile, not on the image. Images of up to 128 px need no detail: they are
the coarse image.

z modulates every level (self-modulation, Chen et al. 2019, arXiv:1810.01365), so that the whole field shows one type of
package.

Dimensions: B batch, C image channels, F features, H W pixels or cells, Z latent and style, K kinds.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..regions import Window, phi
from .config import SeamlessConfig
from .layers import HALO, SLOPE, Inner, ScaledLinear, TileLevel, TrunkLevel, doubling

FIRST_CELLS = 4
KIND_SPREAD = 0.1
"""Standard deviation of latents around the code of their kind. Codes are initialised from N(0, 1). A latent changes the
whole package at once, but packages of a kind differ more in local detail. The noise per cell accounts for that."""
OUTPUT_GAIN = 0.3
DETAIL_GAIN = 0.03
"""Small, so that detail starts near zero and G learns the coarse image first."""


class Trunk(NamedTuple):
    """What the trunk computes from a latent, once for the whole field."""

    features_BFHW: Tensor
    style_BZ: Tensor
    coarse_BCHW: Tensor
    """The whole image at `coarse_px` a side."""


class SeamlessGenerator(nn.Module):
    """G(z): generates images of the whole field, or any tile of it."""

    config_type = SeamlessConfig
    kind_shares_K: Tensor
    """How often each kind occurs in the training images."""
    class_of_kind_K: Tensor
    """Number of the class of each kind; 0 without classes."""

    def __init__(self, config: SeamlessConfig) -> None:
        super().__init__()
        self.config = config
        size = config.latent_size
        sides = [FIRST_CELLS << level for level in range(int(math.log2(config.image_size_px // FIRST_CELLS)))]
        widths = [config.generator_features(side) for side in sides]
        split = sides.index(config.trunk_cells)
        self.register_buffer("kind_shares_K", torch.full((config.kinds,), 1 / config.kinds))
        self.register_buffer("class_of_kind_K", torch.arange(config.kinds) % max(config.classes, 1))
        self.kind_codes = nn.Embedding(config.kinds, size)
        gain = 2**0.5
        self.mapping = nn.Sequential(
            ScaledLinear(size, size, gain), nn.LeakyReLU(SLOPE), ScaledLinear(size, size, gain), nn.LeakyReLU(SLOPE)
        )
        self.first = nn.Linear(size, widths[0] * FIRST_CELLS**2, bias=False)
        self.normalise = nn.BatchNorm2d(widths[0])
        self.trunk_levels = nn.ModuleList(
            TrunkLevel(wide, narrow, 2 * side, size)
            for side, (wide, narrow) in zip(sides, pairwise(widths[: split + 1]), strict=False)
        )
        self.to_coarse = doubling(widths[split], config.channels, OUTPUT_GAIN, bias=True)
        self.tile_levels = nn.ModuleList(TileLevel(wide, narrow, size) for wide, narrow in pairwise(widths[split:]))
        detailed = config.image_size_px > config.coarse_px
        self.to_detail = doubling(widths[-1], config.channels, DETAIL_GAIN, bias=True) if detailed else None

    def trunk(self, z_BZ: Tensor, kinds_B: Tensor | None = None) -> Trunk:
        """Return the features (B x F, `trunk_cells` a side), styles and coarse images of latents from N(0, 1).

        `kinds_B` are numbers of kinds, int64. They are required if there are several kinds. z[1:] varies the image
        around the code of its kind. The first value comes from the code alone, so z[0] has no effect.
        """
        kinds_B = self.checked_kinds(len(z_BZ), kinds_B)
        rest_BZ = functional.pad(z_BZ[:, 1:], (1, 0))
        of_kind_BZ = self.kind_codes(kinds_B) + KIND_SPREAD * rest_BZ
        style_BZ = self.mapping(of_kind_BZ)
        x = self.first(of_kind_BZ).unflatten(1, (-1, FIRST_CELLS, FIRST_CELLS))
        x = functional.relu(self.normalise(x)).contiguous(memory_format=torch.channels_last)
        for level in self.trunk_levels:
            x = level(x, style_BZ, rest_BZ)
        return Trunk(x, style_BZ, self.to_coarse(x))

    def checked_kinds(self, batch: int, kinds_B: Tensor | None) -> Tensor:
        """Return the kinds of a batch. Raises ValueError for None if there are several kinds."""
        if kinds_B is not None:
            return kinds_B
        if self.config.kinds > 1:
            raise ValueError(f"kinds_B: with {self.config.kinds} kinds, every image needs the number of its kind")
        return torch.zeros(batch, dtype=torch.int64, device=self.kind_shares_K.device)

    def kinds_of(self, quantiles_B: Tensor, label: int | None = None) -> Tensor:
        """Return the kinds of images, B, each as often as in training; with `label`, only kinds of that class.

        The shares of these kinds divide (0, 1) into intervals. The interval that holds an image's quantile determines
        its kind. Raises ValueError for an unknown class.
        """
        shares_K = self.kind_shares_K
        if label is not None:
            shares_K = shares_K * (self.class_of_kind_K == label)
            if not shares_K.any():
                raise ValueError(f"label: {label} is not one of the {self.config.classes} classes")
        bounds_K = shares_K.double().cumsum(dim=0)
        return torch.searchsorted(bounds_K, quantiles_B.double() * bounds_K[-1])

    def window(self, trunk: Trunk, window: Window) -> Tensor:
        """Return a window of the whole image: B x C x side x side, float in [-1, 1] or slightly outside.

        Raises ValueError if the window does not consist of whole cells of the trunk, or reaches beyond the image.
        """
        cells, cell_px = self.config.trunk_cells, self.config.image_size_px // self.config.trunk_cells
        top, left, side = (px // cell_px for px in window)
        inside = side > 0 and min(top, left) >= 0 and max(top, left) + side <= cells
        if not inside or any(px % cell_px for px in window):
            raise ValueError(f"{window}: expected whole cells of {cell_px} px inside {self.config.image_size_px} px")
        inner = Inner(left > 0, left + side < cells, top > 0, top + side < cells)
        coarse_BCHW = self._enlarged(trunk.coarse_BCHW[..., *_with_halo(2 * top, 2 * left, 2 * side, 2 * cells)], inner)
        if self.to_detail is None:
            return coarse_BCHW
        x = trunk.features_BFHW[..., *_with_halo(top, left, side, cells)]
        for level in self.tile_levels:
            x = level(x, trunk.style_BZ, inner)
        return coarse_BCHW + inner.cropped(inner.cropped(self.to_detail(x)))

    def _enlarged(self, coarse_BCHW: Tensor, inner: Inner) -> Tensor:
        """Return a crop of the coarse image at the image's resolution, without the halo at its inner sides.

        Repeated doubling with weights 3/4 and 1/4 approaches a quadratic spline (Chaikin 1974,
        doi:10.1016/0146-664X(74)90028-8). A single enlargement would show every coarse pixel as an edge.
        """
        for _ in range(int(math.log2(self.config.image_size_px // self.config.coarse_px))):
            doubled_BCHW = functional.interpolate(coarse_BCHW, scale_factor=2, mode="bilinear", align_corners=False)
            coarse_BCHW = inner.cropped(doubled_BCHW)
        return inner.cropped(coarse_BCHW)

    def tile(self, trunk: Trunk, row: int, column: int, grid: int) -> Tensor:
        """Return one tile of a grid x grid rendering: B x C x H/grid x W/grid, with the values of `window`.

        Raises ValueError if the grid does not divide the trunk, or the tile is outside the grid.
        """
        self._check_grid(grid)
        if not (0 <= row < grid and 0 <= column < grid):
            raise ValueError(f"tile ({row}, {column}) is outside a {grid} x {grid} grid")
        side_px = self.config.image_size_px // grid
        return self.window(trunk, Window(row * side_px, column * side_px, side_px))

    def render(self, trunk: Trunk, grid: int = 1) -> Tensor:
        """Return whole images, B x C x H x W, rendered by grid x grid tiles.

        The result is the same for every grid, but for rounding: another size may choose another convolution algorithm.
        Raises ValueError if the grid does not divide the trunk.
        """
        self._check_grid(grid)
        return phi([self.tile(trunk, *divmod(region, grid), grid) for region in range(grid * grid)], grid)

    def sample(self, z_BZ: Tensor, quantiles_B: Tensor, label: int | None = None) -> Tensor:
        """Return images of latents, as `full_image` does, with the kinds that `kinds_of` chooses."""
        return self.full_image(z_BZ, self.kinds_of(quantiles_B, label))

    def full_image(self, z_BZ: Tensor, kinds_B: Tensor | None = None) -> Tensor:
        """Return images, B x C x H x W, float in [-1, 1] or slightly outside. The arguments are those of `trunk`."""
        return self.render(self.trunk(z_BZ, kinds_B))

    forward = full_image

    def _check_grid(self, grid: int) -> None:
        if grid < 1 or self.config.trunk_cells % grid:
            raise ValueError(f"grid: expected a divisor of {self.config.trunk_cells}, got {grid}")


def _with_halo(top: int, left: int, side: int, cells: int) -> tuple[slice, slice]:
    """Return the rows and columns of a square with its halo, inside a field of `cells` a side."""
    rows, columns = (slice(max(start - HALO, 0), min(start + side + HALO, cells)) for start in (top, left))
    return rows, columns
