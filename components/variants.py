"""The variants of the model that can be trained, and their settings: the place where a name becomes networks.

Dimensions: B batch, C channels, H W pixels, Z latent.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from components.errors import UserError
from components.parameters import NonNegativeFloat, PositiveFloat, PositiveInt, Share, parameters, parse
from model.paper import Generator as PaperGenerator
from model.paper import PaperConfig
from model.seamless import SeamlessConfig, SeamlessGenerator
from model.seamless_training import SeamlessRecipe, SeamlessTraining
from model.training import AdamConfig, StepKind
from model.training import Training as PaperTraining

Variant = Literal["paper", "seamless"]
Generator = PaperGenerator | SeamlessGenerator


@parameters
class PaperSettings:
    """The source paper's model: its networks and its objective."""

    latent_size: PositiveInt
    embedding_size: PositiveInt
    generator_width: PositiveInt
    discriminator_width: PositiveInt
    full_discriminator_width: PositiveInt
    generator_loss: Literal["minimax", "non_saturating"]
    learning_rate: PositiveFloat
    beta1: Share
    beta2: Share


@parameters
class SeamlessSettings:
    """The model whose tiles join without a seam, with its recipe for few images."""

    latent_size: PositiveInt
    generator_width: PositiveInt
    discriminator_width: PositiveInt
    full_discriminator_width: PositiveInt
    feature_cap: PositiveInt
    learning_rate: PositiveFloat
    judge_learning_rate: PositiveFloat
    beta1: Share
    beta2: Share
    slope_weight: NonNegativeFloat
    slope_every_steps: PositiveInt
    ema_decay: Share
    colour: Share
    """Strength of the colour augmentation."""


class Training(Protocol):
    """What the training loop needs of a variant."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """Everything whose weights a checkpoint keeps."""

    @property
    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """By the name of the network that each one trains."""

    @property
    def generator(self) -> Generator:
        """The generator to publish."""

    def step(self, x_BCHW: Tensor, index: int, stream: torch.Generator) -> dict[str, Tensor]:
        """Update every network once from real images in [-1, 1]; return the losses.

        `index` counts steps from 1; every random number comes from `stream`.
        """


def new_paper(settings: PaperSettings, image_size_px: int, channels: int, step: StepKind, seed: int) -> PaperTraining:
    """Return the paper's model as it is before its first step."""
    config = PaperConfig(
        image_size_px=image_size_px,
        channels=channels,
        latent_size=settings.latent_size,
        embedding_size=settings.embedding_size,
        generator_width=settings.generator_width,
        discriminator_width=settings.discriminator_width,
        full_discriminator_width=settings.full_discriminator_width,
    )
    adam = AdamConfig(settings.learning_rate, settings.beta1, settings.beta2)
    return PaperTraining(config, adam, settings.generator_loss, seed, step)


def new_seamless(
    settings: SeamlessSettings, image_size_px: int, channels: int, step: StepKind, seed: int
) -> SeamlessTraining:
    """Return the seamless model as it is before its first step."""
    values = asdict(settings)
    config = {name: values[name] for name in SeamlessConfig.__dataclass_fields__ if name in values}
    recipe = {name: values[name] for name in SeamlessRecipe.__dataclass_fields__}
    shapes = SeamlessConfig(image_size_px=image_size_px, channels=channels, **config)
    return SeamlessTraining(shapes, SeamlessRecipe(**recipe), seed, step)


def variant_of(generator: Generator) -> Variant:
    """Return the name under which a generator's kind is known."""
    return "paper" if isinstance(generator, PaperGenerator) else "seamless"


def new_generator(variant: str, config: Mapping[str, Any], where: str) -> Generator:
    """Return a generator of a variant from its shapes as JSON holds them; anything else is a UserError."""
    if variant == "paper":
        return PaperGenerator(parse(PaperConfig, config, where, "config"))
    if variant == "seamless":
        return SeamlessGenerator(parse(SeamlessConfig, config, where, "config"))
    raise UserError(f"{where}: variant {variant!r} is not one that this version can build")
