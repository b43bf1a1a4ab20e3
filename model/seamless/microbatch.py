"""The data of a training step of the seamless model: views of a few images at a time.

Dimensions: B batch, C channels, H W pixels, Z latent.
"""

from dataclasses import dataclass

from torch import Tensor

from ..pixels import to_float
from ..regions import Window
from .generator import Trunk

View = Window | None
"""A window, which is input of D, or None for the coarse image, which is input of FD."""


@dataclass(frozen=True)
class Draws:
    """All random numbers of a step, and the kinds and labels that its real and generated images share."""

    z_2BZ: Tensor
    """Latents of the generated images and of their second samples. Second samples have the same kinds. Only the energy
    score uses them."""
    windows: tuple[Window, ...]
    noise_seeds: list[int]
    """One per image."""
    kinds_B: Tensor
    labels_B: Tensor | None
    """Classes of the kinds; None without classes."""

    @property
    def views(self) -> tuple[View, ...]:
        """The inputs of the discriminators: the coarse image, and the windows."""
        return None, *self.windows


@dataclass(frozen=True)
class MicroBatch:
    """A few images of a step, and the trunk's output for their latents."""

    x_BCHW: Tensor
    """Real images, uint8."""
    coarse_BCHW: Tensor
    """The real images shrunk to coarse ones, float in [-1, 1]."""
    noise_seeds: list[int]
    labels_B: Tensor | None
    trunk: Trunk
    second: Trunk
    """The trunk's output for the second samples, without a graph."""
    share: float
    """Share of the step's images that are in this micro-batch."""
    windows: int
    """Number of D's windows per image."""

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
