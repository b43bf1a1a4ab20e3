"""How each variant of the model is trained: it turns the name in `train.variant` into networks and their training.

Dimensions: B batch, C channels, H W pixels.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from fabgan.model.optimization import AdamConfig
from fabgan.model.paper.training import PaperTraining
from fabgan.model.processes import ALONE, Processes
from fabgan.model.seamless.recipe import SeamlessRecipe
from fabgan.model.seamless.training import SeamlessTraining

from ..artifacts.generator import Generator
from .devices import uses_bfloat16
from .parameters import PaperSettings, Precision, SeamlessSettings, TrainParameters, VariantName

PAPER_BETAS = 0.5, 0.999
"""Adam's decay rates, as in DCGAN."""


@dataclass(frozen=True)
class Task:
    """What every variant needs to know of a training run."""

    image_size_px: int
    channels: int
    seed: int
    total_steps: int
    kind_shares: list[float]
    """How often each kind occurs in the training images."""
    class_of_kind: list[int]
    """The number of the class of each kind; all 0 without labels."""
    processes: Processes = ALONE


class Training(Protocol):
    """What the training loop needs from a variant."""

    @property
    def networks(self) -> Mapping[str, nn.Module]:
        """The networks whose weights a checkpoint holds, by name."""

    @property
    def optimizers(self) -> Mapping[str, torch.optim.Optimizer]:
        """The optimizers, by the name of the network that each one trains."""

    @property
    def generator(self) -> Generator:
        """The generator to publish."""

    def step(self, x_BCHW: Tensor, index: int, stream: torch.Generator, kinds_B: Tensor) -> dict[str, Tensor]:
        """Update every network once from real images, uint8, and their kinds; return the losses.

        `index` counts the steps from 1. Every random number comes from `stream`.
        """


def _new_paper(settings: PaperSettings, task: Task) -> PaperTraining:
    config = settings.config(task.image_size_px, task.channels)
    return PaperTraining(config, AdamConfig(settings.learning_rate, *PAPER_BETAS), settings.generator_loss, task.seed)


def _new_seamless(settings: SeamlessSettings, task: Task) -> SeamlessTraining:
    recipe = SeamlessRecipe(
        total_steps=task.total_steps,
        learning_rate=settings.learning_rate,
        discriminator_learning_rate=settings.discriminator_learning_rate,
        lr_decay_fraction=settings.lr_decay_fraction,
        final_lr_fraction=settings.final_lr_fraction,
        energy_weight=settings.energy_weight,
        r1_gamma=settings.r1_gamma,
        ema_decay=settings.ema_decay,
    )
    kinds, classes = len(task.kind_shares), len(set(task.class_of_kind))
    config = settings.config(task.image_size_px, task.channels, kinds, classes if classes > 1 else 0)
    bfloat16 = settings.precision == "bfloat16"
    training = SeamlessTraining(config, recipe, task.seed, bfloat16=bfloat16, processes=task.processes)
    training.trained.kind_shares_K.copy_(torch.tensor(task.kind_shares))
    training.trained.class_of_kind_K.copy_(torch.tensor(task.class_of_kind))
    return training


_BUILDERS: dict[VariantName, Callable[[Any, Task], Training]] = {"paper": _new_paper, "seamless": _new_seamless}


def new_training(params: TrainParameters, task: Task) -> Training:
    """Return the chosen variant before its first training step. Raises ValueError for impossible shapes."""
    return _BUILDERS[params.variant](params.settings, task)


def on_this_computer(params: TrainParameters) -> TrainParameters:
    """Return the parameters with the precision `auto` replaced by the one that this computer's hardware suggests."""
    precision: Precision = "bfloat16" if uses_bfloat16(params.seamless.precision) else "float32"
    return replace(params, seamless=replace(params.seamless, precision=precision))
