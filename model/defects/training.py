"""One training step of the defect model.

Half of the generator's batch are pairs: a real defect that is to be restored from a copy in other colours, in a
background that resembles its own. Their loss is the absolute difference. The other half are defects in backgrounds
where they never lay; there is no truth for these. The discriminator judges both halves, with the hinge loss (Lim and Ye
2017, arXiv:1705.02894).

Dimensions: B batch, C image channels, H W pixels, K kinds.
"""

from copy import deepcopy
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from ..optimization import AdamConfig, backward, frozen, updated
from .networks import DefectConfig, DefectDiscriminator, DefectGenerator, Scene

ADAM = AdamConfig(learning_rate=4e-4, beta1=0.5, beta2=0.99)
RESTORATION_WEIGHT = 8.0
EMA_DECAY = 0.995
TINT, GAIN = 0.25, 0.15
"""Standard deviations of what is added to the colours, in units of pixels in [-1, 1], and of their factor."""
MAX_CONTRAST, MAX_BRIGHTNESS = 0.2, 0.15
"""What the discriminator sees is changed by as much, so that it does not learn the few examples by heart."""


class Batch(NamedTuple):
    """The windows of a training step. Tensors are as in `Scene`."""

    real_BCHW: Tensor
    """Real defects, in [-1, 1], of the same kinds as the scenes."""
    real_mask_B1HW: Tensor
    scene: Scene
    """The first half are scenes of the first half of the real defects, with their masks."""
    reference_BCHW: Tensor
    """The defects to be fitted in. The first half is not read: it is made of the real ones."""


@dataclass
class DefectTraining:
    """The networks and what their training remembers."""

    generator: DefectGenerator
    discriminator: DefectDiscriminator
    averaged: DefectGenerator
    """Its weights are the exponential moving average of the generator's."""
    optimizers: tuple[torch.optim.Optimizer, torch.optim.Optimizer]

    @classmethod
    def begun(cls, config: DefectConfig, seed: int) -> "DefectTraining":
        """Return untrained networks. The same seed gives the same weights."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            generator, discriminator = DefectGenerator(config), DefectDiscriminator(config)
        averaged = deepcopy(generator).requires_grad_(False)
        return cls(generator, discriminator, averaged, (ADAM.build(generator), ADAM.build(discriminator)))

    def step(self, batch: Batch, stream: torch.Generator) -> dict[str, float]:
        """Train both networks on a batch, and return their losses."""
        half = len(batch.real_BCHW) // 2
        reference_BCHW = torch.cat([_distorted(batch.real_BCHW[:half], stream), batch.reference_BCHW[half:]])
        made_BCHW = self.generator(batch.scene, reference_BCHW)
        look = _Look(len(made_BCHW), stream)
        with updated(self.optimizers[1]):
            real = self._scores(batch.real_BCHW, batch.real_mask_B1HW, batch.scene.kind_BK, look)
            made = self._made(made_BCHW.detach(), batch, look)
            loss_d = backward(functional.relu(1 - real).mean() + functional.relu(1 + made).mean())
        restored = _difference(made_BCHW[:half], batch.real_BCHW[:half], batch.scene.share_B1HW[:half])
        with updated(self.optimizers[0]), frozen(self.discriminator):
            loss_g = backward(RESTORATION_WEIGHT * restored - self._made(made_BCHW, batch, look).mean())
        _average(self.averaged, self.generator)
        losses = {"loss_discriminator": loss_d, "loss_generator": loss_g, "difference": restored}
        return {name: float(loss.detach()) for name, loss in losses.items()}

    def _made(self, made_BCHW: Tensor, batch: Batch, look: "_Look") -> Tensor:
        return self._scores(made_BCHW, batch.scene.shape_BGHW[:, :1], batch.scene.kind_BK, look)

    def _scores(self, x_BCHW: Tensor, mask_B1HW: Tensor, kind_BK: Tensor, look: "_Look") -> Tensor:
        scores: Tensor = self.discriminator(look(x_BCHW), mask_B1HW, kind_BK)
        return scores


class _Look:
    """The contrast and brightness in which the discriminator sees a batch, real and made alike."""

    def __init__(self, count: int, stream: torch.Generator) -> None:
        contrast_B, brightness_B = torch.rand(2, count, generator=stream) * 2 - 1
        self._contrast_B111 = 1 + MAX_CONTRAST * contrast_B[:, None, None, None]
        self._brightness_B111 = MAX_BRIGHTNESS * brightness_B[:, None, None, None]

    def __call__(self, x_BCHW: Tensor) -> Tensor:
        seen_BCHW: Tensor = x_BCHW * self._contrast_B111 + self._brightness_B111
        return seen_BCHW


def _distorted(x_BCHW: Tensor, stream: torch.Generator) -> Tensor:
    """Return windows that are changed in colour and contrast."""
    count, channels = x_BCHW.shape[:2]
    gain_B111 = 1 + GAIN * torch.randn(count, 1, 1, 1, generator=stream)
    return x_BCHW * gain_B111 + TINT * torch.randn(count, channels, 1, 1, generator=stream)


def _difference(made_BCHW: Tensor, real_BCHW: Tensor, share_B1HW: Tensor) -> Tensor:
    """Return the mean absolute difference over the pixels that may change, each image counting the same."""
    sums_B = ((made_BCHW - real_BCHW).abs().mean(dim=1, keepdim=True) * share_B1HW).sum(dim=(1, 2, 3))
    return (sums_B / share_B1HW.sum(dim=(1, 2, 3)).clamp(min=1)).mean()


@torch.no_grad()
def _average(averaged: DefectGenerator, network: DefectGenerator) -> None:
    for kept, new in zip(averaged.parameters(), network.parameters(), strict=True):
        kept.lerp_(new, 1 - EMA_DECAY)
