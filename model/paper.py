"""The networks of the source paper: a region-conditional DCGAN with a full-image discriminator.

Chang, Choi, Han, "A Computationally Optimized Data Augmentation Framework Utilizing cDCGAN for High-Resolution
Package Images Acquisition". G makes one region r' of an image from the latent z; the same z serves all four
regions, and an embedding of r' is concatenated to it. D judges a region, told which one by an embedding
concatenated to its input; FD judges the merged full image. Layers follow DCGAN (Radford, Metz, Chintala 2015,
arXiv:1511.06434): strided 4 x 4 convolutions, batch normalisation but for G's output and the discriminators'
input, ReLU in G, LeakyReLU(0.2) in D and FD, weights drawn from N(0, 0.02).

Dimensions: B batch, C image channels, H W pixels, Z latent, E embedding, R regions.
"""

import math
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from model.regions import phi

GRID = 2
REGIONS = GRID * GRID
LEAST_SIZE_PX = 16


@dataclass(frozen=True)
class PaperConfig:
    """Shapes of the three networks; enough, with the weights, to build them again."""

    image_size_px: int
    channels: int
    latent_size: int
    embedding_size: int
    generator_width: int
    """Channels of G's last hidden layer; they double towards its 4 x 4 layer."""
    discriminator_width: int
    """Channels of D's first layer; they double towards its 4 x 4 layer."""
    full_discriminator_width: int
    """The same for FD. It must be lean: it alone sees full-resolution images."""

    def __post_init__(self) -> None:
        """Refuse sizes that do not halve down to 4 x 4 regions."""
        size_px = self.image_size_px
        if size_px < LEAST_SIZE_PX or size_px & (size_px - 1):
            raise ValueError(f"image_size_px: expected a power of two from {LEAST_SIZE_PX}, got {size_px}")
        if self.channels not in (1, 3):
            raise ValueError(f"channels: expected 1 (grey) or 3 (colour), got {self.channels}")

    @property
    def region_size_px(self) -> int:
        """Side of a region."""
        return self.image_size_px // GRID


class RegionBatchNorm(nn.Module):
    """Batch normalisation whose statistics are those of one region, with weights shared by all of them.

    Regions are made one after the other, so each batch shows one region; mixed running statistics would fit none.
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels).normal_(1.0, 0.02))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(REGIONS, channels))
        self.register_buffer("running_var", torch.ones(REGIONS, channels))

    def forward(self, x_BCHW: Tensor, region: int) -> Tensor:
        """Return normalised features, B x C x H x W."""
        return functional.batch_norm(
            x_BCHW, self.running_mean[region], self.running_var[region], self.weight, self.bias, self.training
        )


class Generator(nn.Module):
    """G(z, r'): one region of an image."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.config = config
        levels = int(math.log2(config.region_size_px)) - 2
        widths = [config.generator_width * 2**level for level in reversed(range(levels))]
        self.embedding = nn.Embedding(REGIONS, config.embedding_size)
        inputs = config.latent_size + config.embedding_size
        layers = [nn.ConvTranspose2d(inputs, widths[0], 4, bias=False)]
        for wide, narrow in pairwise(widths):
            layers.append(nn.ConvTranspose2d(wide, narrow, 4, stride=2, padding=1, bias=False))
        self.layers = nn.ModuleList(layers)
        self.norms = nn.ModuleList(RegionBatchNorm(width) for width in widths)
        self.to_pixels = nn.ConvTranspose2d(widths[-1], config.channels, 4, stride=2, padding=1)
        self.apply(_init_weights)

    def forward(self, z_BZ: Tensor, region: int) -> Tensor:
        """Return region r' for latents N(0, 1): B x C x H/2 x W/2, float in [-1, 1]."""
        label_BE = self.embedding.weight[region].expand(len(z_BZ), -1)
        x = torch.cat([z_BZ, label_BE], dim=1)[:, :, None, None]
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = functional.relu(norm(layer(x), region))
        return torch.tanh(self.to_pixels(x))

    def full_image(self, z_BZ: Tensor) -> Tensor:
        """Return phi(G(z, R'')), the merged image: B x C x H x W, float in [-1, 1]."""
        return phi([self(z_BZ, region) for region in range(REGIONS)], GRID)


class RegionDiscriminator(nn.Module):
    """D(x, r'): is this region real, and is it region r'?"""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(REGIONS, config.embedding_size)
        inputs = config.channels + config.embedding_size
        self.judge = _strided_judge(inputs, config.discriminator_width, config.region_size_px)
        self.apply(_init_weights)

    def forward(self, x_BCHW: Tensor, region: int) -> Tensor:
        """Return one logit an image, B, for regions in [-1, 1]; D of the paper is its sigmoid."""
        batch, _, height_px, width_px = x_BCHW.shape
        label_E11 = self.embedding.weight[region][:, None, None]
        label_BEHW = label_E11.expand(batch, -1, height_px, width_px)
        logits_B111: Tensor = self.judge(torch.cat([x_BCHW, label_BEHW], dim=1))
        return logits_B111.flatten()


class FullDiscriminator(nn.Module):
    """FD(x): is this merged full image real and natural?"""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.judge = _strided_judge(config.channels, config.full_discriminator_width, config.image_size_px)
        self.apply(_init_weights)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return one logit an image, B, for full images in [-1, 1]; FD of the paper is its sigmoid."""
        logits_B111: Tensor = self.judge(x_BCHW)
        return logits_B111.flatten()


def _strided_judge(inputs: int, width: int, size_px: int) -> nn.Sequential:
    """DCGAN's discriminator: halve the image and double the channels down to 4 x 4, then one logit."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    for _ in range(int(math.log2(size_px)) - 3):
        layers += [nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width)]
        layers += [nn.LeakyReLU(0.2, inplace=True)]
        width *= 2
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 4))


def _init_weights(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
