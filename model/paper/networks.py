"""The networks of the source paper: a region-conditional DCGAN with a full-image discriminator.

Chang, Choi, Han, "A Computationally Optimized Data Augmentation Framework Utilizing cDCGAN for High-Resolution
Package Images Acquisition".

G generates one region r' of an image. Its input is the latent z, with an embedding of r' concatenated to it. All four
regions of an image have the same z. D scores a region. An embedding of r' is concatenated to its input. FD scores the
merged full image.

Layers follow DCGAN (Radford, Metz, Chintala 2015, arXiv:1511.06434): strided 4 x 4 convolutions with weights drawn from
N(0, 0.02). All of them have batch normalisation, except G's output and the discriminators' input and output. G uses
ReLU. D and FD use LeakyReLU(0.2).

Dimensions: B batch, C image channels, H W pixels, Z latent, E embedding, R regions.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from ..regions import phi
from .config import GRID, REGIONS, PaperConfig


class RegionBatchNorm(nn.Module):
    """Batch normalisation with separate running statistics per region; all regions share the weights.

    Regions are generated one after the other, so each batch shows one region. Running statistics mixed over the regions
    would match none of them.
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
        """Return features normalised by the statistics of `region`, B x C x H x W."""
        return functional.batch_norm(
            x_BCHW, self.running_mean[region], self.running_var[region], self.weight, self.bias, self.training
        )


class PaperGenerator(nn.Module):
    """G(z, r'): generates one region of an image."""

    config_type = PaperConfig

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
        self.apply(init_weights)

    def forward(self, z_BZ: Tensor, region: int) -> Tensor:
        """Return region r' for latents from N(0, 1): B x C x H/2 x W/2, float in [-1, 1]."""
        label_BE = self.embedding.weight[region].expand(len(z_BZ), -1)
        x = torch.cat([z_BZ, label_BE], dim=1)[:, :, None, None]
        for layer, norm in zip(self.layers, self.norms, strict=True):
            x = functional.relu(norm(layer(x), region))
        return torch.tanh(self.to_pixels(x))

    def sample(self, z_BZ: Tensor, quantiles_B: Tensor, label: int | None = None) -> Tensor:
        """Return images of latents, as `full_image` does. There is only one kind, so `quantiles_B` has no effect.

        Raises ValueError for a label, because there are no classes.
        """
        if label is not None:
            raise ValueError(f"label: {label}, but this generator has no classes")
        return self.full_image(z_BZ)

    def full_image(self, z_BZ: Tensor) -> Tensor:
        """Return phi(G(z, R'')), the merged image: B x C x H x W, float in [-1, 1]."""
        return phi([self(z_BZ, region) for region in range(REGIONS)], GRID)


class RegionDiscriminator(nn.Module):
    """D(x, r'): scores whether a region is real and is region r'."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.embedding = nn.Embedding(REGIONS, config.embedding_size)
        inputs = config.channels + config.embedding_size
        self.layers = strided_layers(inputs, config.discriminator_width, config.region_size_px)
        self.apply(init_weights)

    def forward(self, x_BCHW: Tensor, region: int) -> Tensor:
        """Return one logit per image, B, for regions in [-1, 1]. The paper's D is the sigmoid of the logit."""
        batch, _, height_px, width_px = x_BCHW.shape
        label_E11 = self.embedding.weight[region][:, None, None]
        label_BEHW = label_E11.expand(batch, -1, height_px, width_px)
        logits_B111: Tensor = self.layers(torch.cat([x_BCHW, label_BEHW], dim=1))
        return logits_B111.flatten()


class FullDiscriminator(nn.Module):
    """FD(x): scores whether a merged full image is real and natural."""

    def __init__(self, config: PaperConfig) -> None:
        super().__init__()
        self.layers = strided_layers(config.channels, config.full_discriminator_width, config.image_size_px)
        self.apply(init_weights)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return one logit per image, B, for full images in [-1, 1]. The paper's FD is the sigmoid of the logit."""
        logits_B111: Tensor = self.layers(x_BCHW)
        return logits_B111.flatten()


def strided_layers(inputs: int, width: int, size_px: int) -> nn.Sequential:
    """Return DCGAN's discriminator: halve the image and double the channels down to 4 x 4, then one logit."""
    layers: list[nn.Module] = [nn.Conv2d(inputs, width, 4, 2, 1), nn.LeakyReLU(0.2, inplace=True)]
    for _ in range(int(math.log2(size_px)) - 3):
        layers += [nn.Conv2d(width, 2 * width, 4, 2, 1, bias=False), nn.BatchNorm2d(2 * width)]
        layers += [nn.LeakyReLU(0.2, inplace=True)]
        width *= 2
    return nn.Sequential(*layers, nn.Conv2d(width, 1, 4))


def init_weights(module: nn.Module) -> None:
    """Draw DCGAN's initial weights for convolutions and norms. Fully connected layers keep torch's initial weights."""
    if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
