"""The baselines of the source paper's table: GAN, DCGAN and LSGAN on full images, with their training step.

- `gan`: Goodfellow et al. 2014, arXiv:1406.2661, with the layers of its MNIST networks. G has two hidden layers of 1200
  rectifiers, and D has two maxout layers of 240 units (5 pieces each). There is no dropout, so a training step depends
  only on its arguments.
- `dcgan`: Radford, Metz, Chintala 2015, arXiv:1511.06434. Larger images get more layers; the channels keep doubling
  down to 4 x 4.
- `lsgan`: Mao et al. 2017, arXiv:1611.04076, with the layers of its figure of 112 x 112 networks and its least squares
  loss. Larger images get a larger grid in the fully connected layers.

Dimensions: B batch, C image channels, H W pixels, Z latent.
"""

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from fabgan.model.optimization import AdamConfig, backward, frozen, updated
from fabgan.model.paper.networks import init_weights, strided_layers
from fabgan.model.paper.objective import discriminator_loss, generator_loss

BaselineVariant = Literal["gan", "dcgan", "lsgan"]
VARIANTS: tuple[BaselineVariant, ...] = ("gan", "dcgan", "lsgan")
MIN_SIZE_PX = 16
MAXOUT_PIECES = 5


@dataclass(frozen=True)
class BaselineConfig:
    """Shapes of G and D. With the variant and the weights, they suffice to build the networks again."""

    image_size_px: int
    channels: int
    latent_size: int
    generator_width: int
    """`gan`: units of a hidden layer. `dcgan` and `lsgan`: channels of G's last hidden layer."""
    discriminator_width: int
    """`gan`: maxout units of a hidden layer. `dcgan` and `lsgan`: channels of D's first layer."""

    def __post_init__(self) -> None:
        """Refuse sizes that do not halve down to 4 x 4."""
        size_px = self.image_size_px
        if size_px < MIN_SIZE_PX or size_px & (size_px - 1):
            raise ValueError(f"image_size_px: expected a power of two, {MIN_SIZE_PX} or more, got {size_px}")
        if self.channels not in (1, 3):
            raise ValueError(f"channels: expected 1 (grey) or 3 (colour), got {self.channels}")


def published_config(variant: BaselineVariant, image_size_px: int, channels: int = 3) -> BaselineConfig:
    """Return the widths and the latent size of the variant's own paper."""
    latent_size, generator_width, discriminator_width = {
        "gan": (100, 1200, 240),
        "dcgan": (100, 64, 64),
        "lsgan": (1024, 64, 64),
    }[variant]
    return BaselineConfig(image_size_px, channels, latent_size, generator_width, discriminator_width)


class BaselineGenerator(nn.Module):
    """G(z), a full image; `layers` map B x Z x 1 x 1 to B x C x H x W before tanh."""

    def __init__(self, config: BaselineConfig, layers: nn.Sequential) -> None:
        super().__init__()
        self.config = config
        self.layers = layers
        self.apply(init_weights)

    def forward(self, z_BZ: Tensor) -> Tensor:
        """Return images for latents N(0, 1): B x C x H x W, float in [-1, 1]."""
        return torch.tanh(self.layers(z_BZ[:, :, None, None]))

    def sample(self, z_BZ: Tensor, quantiles_B: Tensor, label: int | None = None) -> Tensor:
        """Return G(z), by the interface of all generators. Baselines have no kinds or classes, so these are ignored."""
        return cast(Tensor, self(z_BZ))


class BaselineDiscriminator(nn.Module):
    """D(x); `layers` map B x C x H x W to one number per image."""

    def __init__(self, layers: nn.Sequential) -> None:
        super().__init__()
        self.layers = layers
        self.apply(init_weights)

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return one number per image, B, for images in [-1, 1]: a logit, or LSGAN's score."""
        return cast(Tensor, self.layers(x_BCHW)).flatten()


def build_generator(variant: BaselineVariant, config: BaselineConfig) -> BaselineGenerator:
    """Return an untrained G, with weights from torch's global random state."""
    layers = {"gan": _gan_generator, "dcgan": _dcgan_generator, "lsgan": _lsgan_generator}[variant]
    return BaselineGenerator(config, nn.Sequential(*layers(config)))


def build_discriminator(variant: BaselineVariant, config: BaselineConfig) -> BaselineDiscriminator:
    """Return an untrained D, with weights from torch's global random state."""
    layers = {"gan": _gan_discriminator, "dcgan": _dcgan_discriminator, "lsgan": _lsgan_discriminator}[variant]
    return BaselineDiscriminator(nn.Sequential(*layers(config)))


class Maxout(nn.Module):
    """The maximum of several linear functions of the input (Goodfellow et al. 2013, arXiv:1302.4389)."""

    def __init__(self, inputs: int, units: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, units * MAXOUT_PIECES)

    def forward(self, x: Tensor) -> Tensor:
        """Return B x units from B x inputs."""
        pieces: Tensor = self.linear(x).unflatten(1, (-1, MAXOUT_PIECES))
        return pieces.amax(dim=2)


def _gan_generator(config: BaselineConfig) -> list[nn.Module]:
    size_px, width = config.image_size_px, config.generator_width
    hidden: list[nn.Module] = [nn.Flatten(), nn.Linear(config.latent_size, width), nn.ReLU()]
    hidden += [nn.Linear(width, width), nn.ReLU()]
    shape = (config.channels, size_px, size_px)
    return [*hidden, nn.Linear(width, math.prod(shape)), nn.Unflatten(1, shape)]


def _gan_discriminator(config: BaselineConfig) -> list[nn.Module]:
    pixels, units = config.channels * config.image_size_px**2, config.discriminator_width
    return [nn.Flatten(), Maxout(pixels, units), Maxout(units, units), nn.Linear(units, 1)]


def _dcgan_generator(config: BaselineConfig) -> list[nn.Module]:
    levels = int(math.log2(config.image_size_px)) - 2
    widths = [config.generator_width * 2**level for level in reversed(range(levels))]
    layers = _normed(nn.ConvTranspose2d(config.latent_size, widths[0], 4, bias=False), nn.ReLU(inplace=True))
    for wide, narrow in pairwise(widths):
        layers += _normed(nn.ConvTranspose2d(wide, narrow, 4, 2, 1, bias=False), nn.ReLU(inplace=True))
    return [*layers, nn.ConvTranspose2d(widths[-1], config.channels, 4, 2, 1)]


def _dcgan_discriminator(config: BaselineConfig) -> list[nn.Module]:
    return [*strided_layers(config.channels, config.discriminator_width, config.image_size_px)]


def _lsgan_generator(config: BaselineConfig) -> list[nn.Module]:
    """Return layers that start at a grid of 1/16 of the image's side.

    3 x 3 deconvolutions follow. Each of the first two that enlarge the grid is followed by one that keeps its size.
    """
    grid, width = config.image_size_px // 16, config.generator_width
    widths_and_strides = [(4, 2), (4, 1), (4, 2), (4, 1), (2, 2), (1, 2)]
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(config.latent_size, 4 * width * grid**2, bias=False)]
    layers += [nn.Unflatten(1, (4 * width, grid, grid)), nn.BatchNorm2d(4 * width), nn.ReLU(inplace=True)]
    inputs = 4 * width
    for doublings, stride in widths_and_strides:
        outputs = doublings * width
        deconvolution = nn.ConvTranspose2d(inputs, outputs, 3, stride, 1, output_padding=stride - 1, bias=False)
        layers += _normed(deconvolution, nn.ReLU(inplace=True))
        inputs = outputs
    return [*layers, nn.ConvTranspose2d(inputs, config.channels, 3, 1, 1)]


def _lsgan_discriminator(config: BaselineConfig) -> list[nn.Module]:
    grid, widths = config.image_size_px // 16, [config.discriminator_width * 2**level for level in range(4)]
    layers: list[nn.Module] = [nn.Conv2d(config.channels, widths[0], 5, 2, 2), nn.LeakyReLU(0.2, inplace=True)]
    for narrow, wide in pairwise(widths):
        layers += _normed(nn.Conv2d(narrow, wide, 5, 2, 2, bias=False), nn.LeakyReLU(0.2, inplace=True))
    return [*layers, nn.Flatten(), nn.Linear(widths[-1] * grid**2, 1)]


def _normed(convolution: nn.Conv2d | nn.ConvTranspose2d, activation: nn.Module) -> list[nn.Module]:
    return [convolution, nn.BatchNorm2d(convolution.out_channels), activation]


def least_squares_discriminator_loss(real_B: Tensor, fake_B: Tensor) -> Tensor:
    """Return 1/2 E[(D(x) - 1)^2] + 1/2 E[D(G(z))^2], a scalar: equation 9 of arXiv:1611.04076."""
    return 0.5 * (functional.mse_loss(real_B, torch.ones_like(real_B)) + fake_B.square().mean())


def least_squares_generator_loss(fake_B: Tensor) -> Tensor:
    """Return 1/2 E[(D(G(z)) - 1)^2], a scalar."""
    return 0.5 * functional.mse_loss(fake_B, torch.ones_like(fake_B))


class BaselineTraining:
    """The two networks of a baseline, their optimizers, and their training step."""

    def __init__(self, variant: BaselineVariant, config: BaselineConfig, adam: AdamConfig, seed: int) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.generator = build_generator(variant, config)
            self.discriminator = build_discriminator(variant, config)
        self.variant = variant
        self.networks: dict[str, nn.Module] = {"G": self.generator, "D": self.discriminator}
        for network in self.networks.values():
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # a third faster on CPUs
        self.optimizers = {name: adam.build(network) for name, network in self.networks.items()}

    def step(self, x_BCHW: Tensor, z_BZ: Tensor) -> dict[str, Tensor]:
        """Update D and G once from real images in [-1, 1] and latents N(0, 1); return the two losses."""
        x_BCHW = x_BCHW.contiguous(memory_format=torch.channels_last)
        fake_BCHW = self.generator(z_BZ)
        with updated(self.optimizers["D"]):
            loss_D = backward(self._discriminator_loss(x_BCHW, fake_BCHW.detach()))
        with frozen(self.discriminator), updated(self.optimizers["G"]):
            loss_G = backward(self._generator_loss(fake_BCHW))
        return {"D": loss_D, "G": loss_G}

    def _discriminator_loss(self, x_BCHW: Tensor, fake_BCHW: Tensor) -> Tensor:
        real_B, fake_B = self.discriminator(x_BCHW), self.discriminator(fake_BCHW)
        if self.variant == "lsgan":
            return least_squares_discriminator_loss(real_B, fake_B)
        return discriminator_loss(real_B, fake_B)

    def _generator_loss(self, fake_BCHW: Tensor) -> Tensor:
        fake_B = self.discriminator(fake_BCHW)
        if self.variant == "lsgan":
            return least_squares_generator_loss(fake_B)
        return generator_loss(fake_B, "non_saturating")
