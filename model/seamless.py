"""A generator without seams by construction: one trunk for the whole field, tiles rendered from crops of it.

The trunk turns the latent z into feature maps of a few cells a side, once. Whatever mixes positions lives there or
in the latent's mapping. A tile is rendered from its crop of the trunk plus a halo of neighbouring cells, with padding
only at the image's true border: every convolution sees what it would see in the whole image, so tiles of any grid
join without a seam, and memory follows the tile, not the image. Layers are modulated by z as in StyleGAN2 (Karras et
al. 2020, arXiv:1912.04958, section 2.2), whose demodulation needs no statistics of the image or the batch.

Dimensions: B batch, C image channels, F features, H W pixels or cells, I O input and output features, Z latent and
style.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.regions import phi

SIZES_PX = (64, 4096)
FIRST_CELLS = 4
MOST_TRUNK_CELLS = 64
SLOPE = 0.2
HALO = 2
"""Cells beyond each inner side of a tile. A level doubles the halo, then bilinear upsampling and a 3 x 3 convolution
spend one cell each: 2 * 2 - 1 - 1 = 2 remain, whatever the number of levels."""


@dataclass(frozen=True)
class SeamlessConfig:
    """Shapes of the three networks; enough, with the weights, to build them again."""

    image_size_px: int
    channels: int
    latent_size: int
    generator_width: int
    """Features of G at full resolution; they double towards the trunk, up to `feature_cap`."""
    discriminator_width: int
    """Features of D's first layer; they double towards its last, up to `feature_cap`."""
    full_discriminator_width: int
    """The same for FD. It must be lean: it alone sees full-resolution images."""
    feature_cap: int

    def __post_init__(self) -> None:
        """Refuse sizes that no trunk can be doubled to, and widths that build nothing."""
        size_px, (least, most) = self.image_size_px, SIZES_PX
        if not least <= size_px <= most or size_px & (size_px - 1):
            raise ValueError(f"image_size_px: expected a power of two from {least} to {most}, got {size_px}")
        if self.channels not in (1, 3):
            raise ValueError(f"channels: expected 1 (grey) or 3 (colour), got {self.channels}")
        for name in ("latent_size", "generator_width", "discriminator_width", "full_discriminator_width"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name}: expected a positive int, got {getattr(self, name)}")
        if self.feature_cap < max(self.generator_width, self.discriminator_width, self.full_discriminator_width):
            raise ValueError(f"feature_cap: expected at least the widths, got {self.feature_cap}")

    @property
    def trunk_cells(self) -> int:
        """Side of the trunk's feature map."""
        return min(MOST_TRUNK_CELLS, self.image_size_px // 2)

    def generator_features(self, cells: int) -> int:
        """Return G's features at a resolution of `cells` a side."""
        return min(self.generator_width * self.image_size_px // cells, self.feature_cap)


class Inner(NamedTuple):
    """Which sides of a tile border on other tiles; its other sides are the image's true border."""

    left: bool
    right: bool
    top: bool
    bottom: bool

    def cropped(self, x_BFHW: Tensor, cells: int) -> Tensor:
        """Return a view without `cells` at each inner side."""
        left, right, top, bottom = (cells * inner for inner in self)
        return x_BFHW[..., top : x_BFHW.shape[-2] - bottom, left : x_BFHW.shape[-1] - right]

    def upsampled(self, x_BFHW: Tensor) -> Tensor:
        """Return maps of twice the size, low-pass filtered by [1, 3, 3, 1] / 4, less one cell at each inner side.

        That cell would have needed a neighbour outside the tile. Without a filter, images repeat in steps of two
        pixels, which regular patterns show.
        """
        return self.cropped(functional.interpolate(x_BFHW, scale_factor=2, mode="bilinear"), 1)

    def padded(self, x_BFHW: Tensor) -> Tensor:
        """Return maps with one cell of zeros at the true border only, for a 3 x 3 convolution."""
        return functional.pad(x_BFHW, [int(not inner) for inner in self])


WHOLE = Inner(False, False, False, False)


class Trunk(NamedTuple):
    """What a latent determines once for the whole field."""

    features_BFHW: Tensor
    styles_BZ: Tensor


class ModulatedConv(nn.Module):
    """A convolution whose weights are scaled by a style of z, then normalised (StyleGAN2, equations 1 and 3).

    Scaling the inputs and normalising the outputs is the same as doing so to each sample's weights, and cheaper.
    """

    def __init__(self, inputs: int, outputs: int, style_size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs, 3, 3) * (9 * inputs) ** -0.5)
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.scale = nn.Linear(style_size, inputs)
        nn.init.normal_(self.scale.weight, 0.0, style_size**-0.5)
        nn.init.ones_(self.scale.bias)

    def forward(self, x_BIHW: Tensor, style_BZ: Tensor, inner: Inner) -> Tensor:
        """Return B x O maps after a LeakyReLU, less one cell at each inner side."""
        scale_BI = self.scale(style_BZ)
        power_BO = scale_BI.square() @ self.weight.square().sum(dim=(2, 3)).T
        gain_BO = torch.rsqrt(power_BO + 1e-8) * 2**0.5
        x = x_BIHW * scale_BI[:, :, None, None]
        x = functional.conv2d(x, self.weight, padding=1) if inner == WHOLE else self._on_tile(x, inner)
        return functional.leaky_relu(torch.addcmul(self.bias[:, None, None], x, gain_BO[:, :, None, None]), SLOPE)

    def _on_tile(self, x_BIHW: Tensor, inner: Inner) -> Tensor:
        return functional.conv2d(inner.padded(x_BIHW), self.weight)


class SeamlessGenerator(nn.Module):
    """G(z): images of the whole field, or any tile of it."""

    def __init__(self, config: SeamlessConfig) -> None:
        super().__init__()
        self.config = config
        size = config.latent_size
        doublings = int(math.log2(config.image_size_px // FIRST_CELLS))
        sides = [FIRST_CELLS << level for level in range(doublings + 1)]
        widths = [config.generator_features(side) for side in sides]
        split = sides.index(config.trunk_cells)
        layers: list[nn.Module] = [
            nn.ConvTranspose2d(size, widths[0], FIRST_CELLS, bias=False),
            *_normalised(widths[0]),
        ]
        for wide, narrow in pairwise(widths[: split + 1]):
            layers += [nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), *_normalised(narrow)]
        self.trunk_layers = nn.Sequential(*layers)
        self.mapping = nn.Sequential(nn.Linear(size, size), nn.LeakyReLU(SLOPE), nn.Linear(size, size))
        self.place = nn.Conv2d(2, widths[split], 1)
        self.layers = nn.ModuleList(ModulatedConv(wide, narrow, size) for wide, narrow in pairwise(widths[split:]))
        self.to_pixels = nn.Conv2d(widths[-1], config.channels, 1)

    def trunk(self, z_BZ: Tensor) -> Trunk:
        """Return the features (B x F, `trunk_cells` a side) and styles (B x Z) of latents N(0, 1)."""
        styles_BZ = self.mapping(z_BZ)
        return Trunk(self.trunk_layers(styles_BZ[:, :, None, None]), styles_BZ)

    def tile(self, trunk: Trunk, row: int, column: int, grid: int) -> Tensor:
        """Return one tile of a grid x grid rendering: B x C x H/grid x W/grid, float in [-1, 1].

        Raises ValueError for a grid that does not divide the trunk into tiles of `HALO` cells or more, and for a tile
        outside it.
        """
        self._check_grid(grid)
        cells = self.config.trunk_cells
        if not (0 <= row < grid and 0 <= column < grid):
            raise ValueError(f"tile ({row}, {column}) of a {grid} x {grid} grid")
        inner = Inner(column > 0, column < grid - 1, row > 0, row < grid - 1)
        rows, columns = (_with_halo(place, cells // grid, cells) for place in (row, column))
        x = trunk.features_BFHW[..., rows, columns] + self.place(_coordinates(rows, columns, trunk.features_BFHW))
        for layer in self.layers:
            x = layer(inner.upsampled(x), trunk.styles_BZ, inner)
        return torch.tanh(self.to_pixels(inner.cropped(x, HALO)))

    def full_image(self, z_BZ: Tensor, grid: int = 1) -> Tensor:
        """Return images of latents N(0, 1): B x C x H x W, float in [-1, 1]; the same whatever the grid."""
        self._check_grid(grid)
        trunk = self.trunk(z_BZ)
        return phi([self.tile(trunk, *divmod(region, grid), grid) for region in range(grid * grid)], grid)

    forward = full_image

    def _check_grid(self, grid: int) -> None:
        most = self.config.trunk_cells // HALO
        if grid < 1 or most % grid:
            raise ValueError(f"grid: expected a divisor of {most}, got {grid}")


def _normalised(features: int) -> list[nn.Module]:
    return [nn.BatchNorm2d(features), nn.ReLU(inplace=True)]


def _with_halo(place: int, cells: int, all_cells: int) -> slice:
    return slice(max(place * cells - HALO, 0), min((place + 1) * cells + HALO, all_cells))


def _coordinates(rows: slice, columns: slice, like_BFHW: Tensor) -> Tensor:
    """Return where a tile's cells lie in the image, 1 x 2 (y, x) x H x W, in [-1, 1]."""
    centres = (torch.arange(like_BFHW.shape[-1]).to(like_BFHW) + 0.5) * 2 / like_BFHW.shape[-1] - 1
    return torch.stack(torch.meshgrid(centres[rows], centres[columns], indexing="ij"))[None]
