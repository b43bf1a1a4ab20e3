"""The variants of the model that can be trained, and their settings: the place where a name becomes networks.

Dimensions: B batch, C channels, H W pixels, Z latent.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal, Protocol, TypeVar

import torch
from torch import Tensor, nn

from components.devices import Precision, uses_bfloat16
from components.errors import OtherVersionError
from components.parameters import NonNegativeFloat, PositiveFloat, PositiveInt, Share, parameters, parse
from model.paper import Generator as PaperGenerator
from model.paper import PaperConfig
from model.processes import ALONE, Processes
from model.seamless import SeamlessConfig, SeamlessGenerator
from model.seamless_recipe import SeamlessRecipe
from model.seamless_training import SeamlessTraining
from model.training import AdamConfig, StepKind
from model.training import Training as PaperTraining

T = TypeVar("T")
Variant = Literal["paper", "seamless"]
LEAST_JUDGED_PX = 64
"""Half of it is a region, which holds the steps by which seams are judged."""
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

    labels: bool
    """Whether the class labels of the manifest condition the networks."""
    precision: Precision
    latent_size: PositiveInt
    generator_width: PositiveInt
    discriminator_width: PositiveInt
    full_discriminator_width: PositiveInt
    feature_cap: PositiveInt
    learning_rate: PositiveFloat
    judge_learning_rate: PositiveFloat
    beta1: Share
    beta2: Share
    energy_weight: NonNegativeFloat
    slope_weight: NonNegativeFloat
    slope_every_steps: PositiveInt
    ema_decay: Share
    last_rate: Share


@dataclass(frozen=True)
class Task:
    """What a training run asks of any variant."""

    image_size_px: int
    channels: int
    step: StepKind
    seed: int
    total_steps: int
    kind_shares: list[float]
    """How often each kind occurs in the training images."""
    class_of_kind: list[int]
    """The number of the class of each kind; all 0 without labels."""
    processes: Processes = ALONE


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

    def step(
        self, x_BCHW: Tensor, index: int, stream: torch.Generator, kinds_B: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Update every network once from real images, uint8, and their kinds; return the losses.

        `index` counts steps from 1; every random number comes from `stream`.
        """


def new_paper(settings: PaperSettings, task: Task) -> PaperTraining:
    """Return the paper's model as it is before its first step."""
    config = _paper_config(settings, task.image_size_px, task.channels)
    adam = AdamConfig(settings.learning_rate, settings.beta1, settings.beta2)
    return PaperTraining(config, adam, settings.generator_loss, task.seed, task.step)


def new_seamless(settings: SeamlessSettings, task: Task) -> SeamlessTraining:
    """Return the seamless model as it is before its first step."""
    recipe = _picked(SeamlessRecipe, asdict(settings) | {"total_steps": task.total_steps})
    kinds, classes = len(task.kind_shares), len(set(task.class_of_kind))
    config = _seamless_config(settings, task.image_size_px, task.channels, kinds, classes if classes > 1 else 0)
    bfloat16 = uses_bfloat16(settings.precision)
    training = SeamlessTraining(config, recipe, task.seed, task.step, bfloat16=bfloat16, processes=task.processes)
    training.trained.kind_shares_K.copy_(torch.tensor(task.kind_shares))
    training.trained.class_of_kind_K.copy_(torch.tensor(task.class_of_kind))
    return training


def check_shapes(variant: Variant, image_size_px: int, paper: PaperSettings, seamless: SeamlessSettings) -> None:
    """Raise ValueError for a size of image, or for widths, that the variant has no networks for."""
    if variant == "paper":
        _paper_config(paper, image_size_px, channels=3)
    else:
        _seamless_config(seamless, image_size_px, channels=3, kinds=1, classes=0)
    if image_size_px < LEAST_JUDGED_PX:
        raise ValueError(f"image_size_px: seams are judged from {LEAST_JUDGED_PX} px on, got {image_size_px}")


def _paper_config(settings: PaperSettings, image_size_px: int, channels: int) -> PaperConfig:
    return _picked(PaperConfig, asdict(settings) | {"image_size_px": image_size_px, "channels": channels})


def _seamless_config(
    settings: SeamlessSettings, image_size_px: int, channels: int, kinds: int, classes: int
) -> SeamlessConfig:
    given = {"image_size_px": image_size_px, "channels": channels, "kinds": kinds, "classes": classes}
    return _picked(SeamlessConfig, asdict(settings) | given)


def _picked(cls: type[T], values: Mapping[str, Any]) -> T:
    """Return a dataclass made of those of the values that are its fields."""
    return cls(**{field.name: values[field.name] for field in fields(cls)})  # type: ignore[arg-type]


def variant_of(generator: Generator) -> Variant:
    """Return the name under which a generator's kind is known."""
    return "paper" if isinstance(generator, PaperGenerator) else "seamless"


def new_generator(variant: str, config: Mapping[str, Any], where: str) -> Generator:
    """Return a generator of a variant from its shapes as JSON holds them.

    An unknown variant is an OtherVersionError, and shapes that are none a UserError.
    """
    if variant == "paper":
        return PaperGenerator(parse(PaperConfig, config, where, "config"))
    if variant == "seamless":
        return SeamlessGenerator(parse(SeamlessConfig, config, where, "config"))
    raise OtherVersionError(f"{where}: variant {variant!r} is not one that this version can build")
