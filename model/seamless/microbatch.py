"""What a training step of the seamless model works through: views of a few images at a time.

Dimensions: B batch, C channels, H W pixels, Z latent.
"""

from dataclasses import dataclass

from torch import Tensor

from ..pixels import to_float
from ..regions import Window
from .generator import Trunk

View = Window | None
"""A window, which D sees, or None for the coarse image, which FD sees."""


@dataclass(frozen=True)
class Draws:
    """Every random number of a step, and the kinds and labels of its images, real and generated alike."""

    z_2BZ: Tensor
    """Latents of the generated images and of their second samples, which have the same kinds and which only the energy
    score uses."""
    windows: tuple[Window, ...]
    noise_seeds: list[int]
    """One an image."""
    kinds_B: Tensor
    labels_B: Tensor | None
    """Classes of the kinds; None without classes."""

    @property
    def views(self) -> tuple[View, ...]:
        """What the discriminators see: the coarse image, and the windows."""
        return None, *self.windows


@dataclass(frozen=True)
class MicroBatch:
    """A few of a step's images, and what the trunk outputs for their latents."""

    x_BCHW: Tensor
    """Real images, uint8."""
    coarse_BCHW: Tensor
    """The same shrunk, float."""
    noise_seeds: list[int]
    labels_B: Tensor | None
    trunk: Trunk
    second: Trunk
    """The trunk's output for the second samples, without a graph."""
    share: float
    """Of the step's images."""
    windows: int
    """How many windows of each image D sees."""

    def real(self, view: View) -> Tensor:
        """Return a view of the real images, in [-1, 1]."""
        return self.coarse_BCHW if view is None else to_float(view.of(self.x_BCHW))


@dataclass(frozen=True)
class DiscriminatorLoss:
    """The loss of D or FD on one view of a few images."""

    view: View
    real_B: Tensor
    """Logits of the real images, without their graph."""
    loss: Tensor


@dataclass(frozen=True)
class GeneratorLosses:
    """G's losses on one view of a few images."""

    adversarial: Tensor
    energy: Tensor
    """The energy score."""

    def total(self, energy_weight: float) -> Tensor:
        """Return the loss that G minimises."""
        return self.adversarial + energy_weight * self.energy
