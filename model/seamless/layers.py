"""The layers of the seamless generator: a level of its trunk, and a level of its tiles.

Dimensions: B batch, F features, H W pixels or cells, I O input and output features, Z style.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

SLOPE = 0.2
HALO = 1
"""Cells beyond each inner side of a tile. A level doubles the halo to 2 cells. Its convolution's outputs depend on the
next cell on either side, so one of the two is dropped. 2 * 1 - 1 = 1 remains, whatever the number of levels."""
STYLE_GAIN = 0.5
PLACE_GAIN = 2.0
"""Factor by which the map of the field learns faster than other weights, because layout is most of a package."""
PLACE_STD = 0.2
NOISES = 4
"""Noise values per cell."""
NOISE_STD = 0.2
PLACED_CELLS = 16
"""Levels of up to this many cells a side have a map. From few images, a finer map would learn little but noise."""


class Inner(NamedTuple):
    """Which sides of a tile border on other tiles. Its other sides are the image's true border."""

    left: bool
    right: bool
    top: bool
    bottom: bool

    def cropped(self, x_BFHW: Tensor, halo: int = HALO) -> Tensor:
        """Return a view without the halo at each inner side."""
        left, right, top, bottom = (halo * inner for inner in self)
        return x_BFHW[..., top : x_BFHW.shape[-2] - bottom, left : x_BFHW.shape[-1] - right]


class ScaledLinear(nn.Module):
    """A linear layer whose N(0, 1) weights are scaled when used (Karras et al. 2018, arXiv:1710.10196, section 4.1).

    This equalises Adam's effective learning rate over layers with few and many inputs. So the style does not change
    faster than the features that it modulates.
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
    """x (1 + a(style)) + b(style), with one a and one b per feature."""

    def __init__(self, style_size: int, features: int) -> None:
        super().__init__()
        self.gain = ScaledLinear(style_size, features, STYLE_GAIN)
        self.shift = ScaledLinear(style_size, features, STYLE_GAIN)

    def forward(self, x_BFHW: Tensor, style_BZ: Tensor) -> Tensor:
        """Return modulated features, B x F x H x W."""
        gain_BF11, shift_BF11 = (layer(style_BZ)[:, :, None, None] for layer in (self.gain, self.shift))
        return torch.addcmul(shift_BF11, x_BFHW, 1 + gain_BF11)


class PlaceMap(nn.Module):
    """x + map presence(style): a learned map of the field. The style sets how much of each feature is added."""

    def __init__(self, features: int, cells: int, style_size: int) -> None:
        super().__init__()
        self.map = nn.Parameter(torch.randn(1, features, cells, cells) * PLACE_STD)
        self.presence = ScaledLinear(style_size, features, 1.0)

    def forward(self, x_BFHW: Tensor, style_BZ: Tensor) -> Tensor:
        """Return B x F x H x W."""
        presence_BF11 = PLACE_GAIN * (1 + self.presence(style_BZ))[:, :, None, None]
        return torch.addcmul(x_BFHW, self.map, presence_BF11)


class CellNoise(nn.Module):
    """x + noise per cell. Packages differ from ball to ball: each ball is moved and lit slightly differently.

    The noise is a function of z, so the same latent gives the same image. It is sqrt(2) cos(w z + p) with fixed random
    w and p: random Fourier features (Rahimi and Recht 2007, "Random features for large-scale kernel machines"). For z
    from N(0, I) with a few dozen values, each noise value has mean 0 and variance 1, and no two are correlated. How
    the noise changes the features is learned (noise inputs: Karras et al. 2019, arXiv:1812.04948, section 3.2).
    """

    waves_NZ: Tensor
    phases_N: Tensor

    def __init__(self, features: int, cells: int, latent_size: int) -> None:
        super().__init__()
        self.shape = NOISES, cells, cells
        self.register_buffer("waves_NZ", torch.randn(math.prod(self.shape), latent_size))
        self.register_buffer("phases_N", 2 * math.pi * torch.rand(math.prod(self.shape)))
        self.strength = nn.Conv2d(NOISES, features, 1, bias=False)
        nn.init.normal_(self.strength.weight, 0.0, NOISE_STD)

    def forward(self, x_BFHW: Tensor, z_BZ: Tensor) -> Tensor:
        """Return B x F x H x W."""
        with torch.autocast(z_BZ.device.type, enabled=False):  # bfloat16 would round the phases
            noise_BN = 2**0.5 * torch.cos(functional.linear(z_BZ, self.waves_NZ, self.phases_N))
        added_BFHW: Tensor = self.strength(noise_BN.view(-1, *self.shape))
        return x_BFHW + added_BFHW


class TrunkLevel(nn.Module):
    """One 2x upsampling level of the trunk: convolution, map (if coarse), noise, batch normalisation, modulation."""

    def __init__(self, inputs: int, outputs: int, cells: int, style_size: int) -> None:
        super().__init__()
        self.enlarge = doubling(inputs, outputs, gain=1.0, bias=False)
        self.place = PlaceMap(outputs, cells, style_size) if cells <= PLACED_CELLS else None
        self.noise = CellNoise(outputs, cells, style_size)
        self.normalise = nn.BatchNorm2d(outputs)
        self.modulate = Modulation(style_size, outputs)

    def forward(self, x_BIHW: Tensor, style_BZ: Tensor, z_BZ: Tensor) -> Tensor:
        """Return B x O x 2H x 2W."""
        x = self.enlarge(x_BIHW)
        if self.place is not None:
            x = self.place(x, style_BZ)
        return functional.relu(self.modulate(self.normalise(self.noise(x, z_BZ)), style_BZ))


class TileLevel(nn.Module):
    """One 2x upsampling level of a tile: convolution and modulation. Only the convolution mixes positions."""

    def __init__(self, inputs: int, outputs: int, style_size: int) -> None:
        super().__init__()
        self.enlarge = doubling(inputs, outputs, gain=2**0.5, bias=False)
        self.modulate = Modulation(style_size, outputs)

    def forward(self, x_BIHW: Tensor, style_BZ: Tensor, inner: Inner) -> Tensor:
        """Return B x O x 2H x 2W, minus one pixel at each inner side."""
        return functional.leaky_relu(self.modulate(inner.cropped(self.enlarge(x_BIHW)), style_BZ), SLOPE)


def doubling(inputs: int, outputs: int, gain: float, bias: bool) -> nn.ConvTranspose2d:
    """Return DCGAN's convolution to twice the side. Each output depends on four inputs, at most one cell away."""
    layer = nn.ConvTranspose2d(inputs, outputs, 4, stride=2, padding=1, bias=bias)
    nn.init.normal_(layer.weight, 0.0, gain * (4 * inputs) ** -0.5)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer
