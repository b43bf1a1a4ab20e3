"""A generator without seams by construction: one trunk for the whole field, tiles rendered from crops of it.

The trunk turns the latent z into feature maps of a few cells a side, and those into a coarse image of the whole field,
once. Whatever mixes positions or images lives there: batch normalisation, and a learned map of the field, which is how
G knows where a cell lies. A tile is its crop of the coarse image, enlarged, plus the detail that is rendered from its
crop of the trunk (skips as in Karras et al. 2020, arXiv:1912.04958), each with a halo of neighbours, and padding only
at the image's true border: every convolution sees what it would see in the whole image, so tiles of any grid join
without a seam, and memory follows the tile, not the image. Images of up to 128 px need no detail: they are the coarse
image. Every level is modulated by z (Chen et al. 2019, arXiv:1810.01365, self-modulation), so that the whole field
agrees on what kind of package it shows.

Dimensions: B batch, C image channels, F features, H W pixels or cells, I O input and output features, Z latent and
style, K classes.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.regions import Window, phi

SIZES_PX = (64, 4096)
FIRST_CELLS = 4
MOST_TRUNK_CELLS = 64
MOST_WINDOW_PX = 128
SLOPE = 0.2
HALO = 1
"""Cells beyond each inner side of a tile. A level doubles the halo and its convolution, whose outputs depend on the
next cell on either side, spends one: 2 * 1 - 1 = 1 remains, whatever the number of levels."""
STYLE_GAIN = 0.5
PLACE_GAIN = 2.0
"""The map of the field is learned this much faster than other weights: most of a package is where things lie."""
PLACE_STD = 0.2
OUTPUT_GAIN = 0.3
DETAIL_GAIN = 0.03
"""Detail starts near nothing: the coarse image is what G learns first."""


@dataclass(frozen=True)
class SeamlessConfig:
    """Shapes of the three networks; enough, with the weights, to build them again."""

    image_size_px: int
    channels: int
    latent_size: int
    generator_width: int
    """Features of G at full resolution, were there any; they double towards the trunk, up to `feature_cap`."""
    discriminator_width: int
    """Features of D's first layer; they double towards its last, up to `feature_cap`."""
    full_discriminator_width: int
    """The same for FD. It must be lean: it alone sees full-resolution images."""
    feature_cap: int
    classes: int = 0
    """How many class labels condition the networks; 0 for none."""

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
        if self.classes < 0 or self.classes == 1:
            raise ValueError(f"classes: expected none or at least two, got {self.classes}")

    @property
    def trunk_cells(self) -> int:
        """Side of the trunk's feature map."""
        return min(MOST_TRUNK_CELLS, self.image_size_px // 2)

    @property
    def coarse_px(self) -> int:
        """Side of the coarse image."""
        return 2 * self.trunk_cells

    @property
    def window_px(self) -> int:
        """Side of the windows in which images are judged at their own resolution."""
        return min(self.image_size_px // 2, MOST_WINDOW_PX)

    def generator_features(self, cells: int) -> int:
        """Return G's features at a resolution of `cells` a side."""
        return min(self.generator_width * self.image_size_px // cells, self.feature_cap)


class Inner(NamedTuple):
    """Which sides of a tile border on other tiles; its other sides are the image's true border."""

    left: bool
    right: bool
    top: bool
    bottom: bool

    def cropped(self, x_BFHW: Tensor, halo: int = HALO) -> Tensor:
        """Return a view without a halo at each inner side."""
        left, right, top, bottom = (halo * inner for inner in self)
        return x_BFHW[..., top : x_BFHW.shape[-2] - bottom, left : x_BFHW.shape[-1] - right]


class Trunk(NamedTuple):
    """What a latent determines once for the whole field."""

    features_BFHW: Tensor
    style_BZ: Tensor
    coarse_BCHW: Tensor
    """The whole image at `coarse_px` a side."""


class ScaledLinear(nn.Module):
    """A linear layer with weights N(0, 1), scaled as it runs (Karras et al. 2018, arXiv:1710.10196, section 4.1).

    Adam then moves it as slowly as layers with few inputs: the style must not outrun what it modulates.
    """

    def __init__(self, inputs: int, outputs: int, gain: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        self.gain = gain * inputs**-0.5

    def forward(self, x_BI: Tensor) -> Tensor:
        """Return B x O from B x I."""
        return functional.linear(x_BI, self.weight * self.gain, self.bias)


class Modulation(nn.Module):
    """x (1 + a(style)) + b(style), with a and b one number a feature."""

    def __init__(self, style_size: int, features: int) -> None:
        super().__init__()
        self.gain = ScaledLinear(style_size, features, STYLE_GAIN)
        self.shift = ScaledLinear(style_size, features, STYLE_GAIN)

    def forward(self, x_BFHW: Tensor, style_BZ: Tensor) -> Tensor:
        """Return modulated features, B x F x H x W."""
        gain_BF11, shift_BF11 = (layer(style_BZ)[:, :, None, None] for layer in (self.gain, self.shift))
        return torch.addcmul(shift_BF11, x_BFHW, 1 + gain_BF11)


class TrunkLevel(nn.Module):
    """Twice the cells: what z says of them, and what the map of the field says, normalised over the batch."""

    def __init__(self, inputs: int, outputs: int, cells: int, style_size: int) -> None:
        super().__init__()
        self.enlarge = _doubling(inputs, outputs, gain=1.0, bias=False)
        self.place = nn.Parameter(torch.randn(1, outputs, cells, cells) * PLACE_STD)
        self.presence = ScaledLinear(style_size, outputs, 1.0)
        self.normalise = nn.BatchNorm2d(outputs)
        self.modulate = Modulation(style_size, outputs)

    def forward(self, x_BIHW: Tensor, style_BZ: Tensor) -> Tensor:
        """Return B x O x 2H x 2W."""
        presence_BO11 = PLACE_GAIN * (1 + self.presence(style_BZ))[:, :, None, None]
        x = torch.addcmul(self.enlarge(x_BIHW), self.place, presence_BO11)
        return functional.relu(self.modulate(self.normalise(x), style_BZ))


class TileLevel(nn.Module):
    """Twice the pixels of a tile; nothing but its convolution mixes positions."""

    def __init__(self, inputs: int, outputs: int, style_size: int) -> None:
        super().__init__()
        self.enlarge = _doubling(inputs, outputs, gain=2**0.5, bias=False)
        self.modulate = Modulation(style_size, outputs)

    def forward(self, x_BIHW: Tensor, style_BZ: Tensor, inner: Inner) -> Tensor:
        """Return B x O x 2H x 2W, less one pixel at each inner side."""
        return functional.leaky_relu(self.modulate(inner.cropped(self.enlarge(x_BIHW)), style_BZ), SLOPE)


class SeamlessGenerator(nn.Module):
    """G(z): images of the whole field, or any tile of it."""

    class_shares_K: Tensor

    def __init__(self, config: SeamlessConfig) -> None:
        super().__init__()
        self.config = config
        size = config.latent_size
        sides = [FIRST_CELLS << level for level in range(int(math.log2(config.image_size_px // FIRST_CELLS)))]
        widths = [config.generator_features(side) for side in sides]
        split = sides.index(config.trunk_cells)
        self.register_buffer("class_shares_K", torch.full((config.classes,), 1 / max(config.classes, 1)))
        self.class_codes = nn.Embedding(config.classes, size) if config.classes else None
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
        self.to_coarse = _doubling(widths[split], config.channels, OUTPUT_GAIN, bias=True)
        self.tile_levels = nn.ModuleList(TileLevel(wide, narrow, size) for wide, narrow in pairwise(widths[split:]))
        detailed = config.image_size_px > config.coarse_px
        self.to_detail = _doubling(widths[-1], config.channels, DETAIL_GAIN, bias=True) if detailed else None

    def trunk(self, z_BZ: Tensor, labels_B: Tensor | None = None) -> Trunk:
        """Return the features (B x F, `trunk_cells` a side), styles and coarse images of latents N(0, 1).

        `labels_B` are numbers of classes; a generator with classes needs them, and raises ValueError without.
        """
        if self.class_codes is not None and labels_B is None:
            raise ValueError(f"labels_B: this generator has {self.config.classes} classes and needs a label an image")
        z_BZ = z_BZ * torch.rsqrt(z_BZ.square().mean(dim=1, keepdim=True) + 1e-8)
        style_BZ = self.mapping(z_BZ if self.class_codes is None else z_BZ + self.class_codes(labels_B))
        x = self.first(z_BZ).unflatten(1, (-1, FIRST_CELLS, FIRST_CELLS))
        x = functional.relu(self.normalise(x)).contiguous(memory_format=torch.channels_last)
        for level in self.trunk_levels:
            x = level(x, style_BZ)
        return Trunk(x, style_BZ, self.to_coarse(x))

    def window(self, trunk: Trunk, window: Window) -> Tensor:
        """Return a window of the whole image, B x C x side x side: float in and a little beyond [-1, 1].

        Raises ValueError for a window that is not of whole cells of the trunk, or reaches beyond the image.
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
        """Return a crop of the coarse image at the image's resolution, without the halo at its inner sides."""
        factor = self.config.image_size_px // self.config.coarse_px
        enlarged_BCHW = functional.interpolate(coarse_BCHW, scale_factor=factor, mode="bilinear", align_corners=False)
        return inner.cropped(enlarged_BCHW, factor * HALO)

    def tile(self, trunk: Trunk, row: int, column: int, grid: int) -> Tensor:
        """Return one tile of a grid x grid rendering: B x C x H/grid x W/grid, as `window` does.

        Raises ValueError for a grid that does not divide the trunk, and for a tile outside it.
        """
        self._check_grid(grid)
        if not (0 <= row < grid and 0 <= column < grid):
            raise ValueError(f"tile ({row}, {column}) of a {grid} x {grid} grid")
        side_px = self.config.image_size_px // grid
        return self.window(trunk, Window(row * side_px, column * side_px, side_px))

    def render(self, trunk: Trunk, grid: int = 1) -> Tensor:
        """Return whole images, B x C x H x W, the same whatever the grid; a grid as `tile` takes it."""
        self._check_grid(grid)
        return phi([self.tile(trunk, *divmod(region, grid), grid) for region in range(grid * grid)], grid)

    def full_image(self, z_BZ: Tensor, labels_B: Tensor | None = None) -> Tensor:
        """Return images of latents N(0, 1): B x C x H x W, float in and a little beyond [-1, 1]."""
        return self.render(self.trunk(z_BZ, labels_B))

    forward = full_image

    def _check_grid(self, grid: int) -> None:
        if grid < 1 or self.config.trunk_cells % grid:
            raise ValueError(f"grid: expected a divisor of {self.config.trunk_cells}, got {grid}")


def _doubling(inputs: int, outputs: int, gain: float, bias: bool) -> nn.ConvTranspose2d:
    """Return DCGAN's convolution to twice the side; an output depends on four inputs, one cell away at most."""
    layer = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)
    nn.init.normal_(layer.weight, 0.0, gain * (4 * inputs) ** -0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def _with_halo(top: int, left: int, side: int, cells: int) -> tuple[slice, slice]:
    """Return where a square and its halo lie in a field of so many cells a side."""
    rows, columns = (slice(max(start - HALO, 0), min(start + side + HALO, cells)) for start in (top, left))
    return rows, columns
