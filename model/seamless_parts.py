"""What a training step of the seamless model works through: views of a few images at a time.

Dimensions: B batch, C channels, H W pixels, Z latent.
"""

from dataclasses import dataclass

from torch import Tensor

from model.pixels import to_float
from model.regions import Window
from model.seamless import Trunk

View = Window | None
"""A window, which D judges, or None for the coarse image, which FD judges."""


@dataclass(frozen=True)
class Draws:
    """Every random number of a step, and the kinds and labels of its images, real and generated alike."""

    z_2BZ: Tensor
    """Latents of the generated images and of their twins, which are of the same kinds and which no judge sees."""
    windows: tuple[Window, ...]
    noise_seeds: list[int]
    """One an image."""
    kinds_B: Tensor
    labels_B: Tensor | None
    """Of the classes that the kinds are of; None without classes."""

    @property
    def views(self) -> tuple[View, ...]:
        """What the judges are shown: the coarse image, and the windows."""
        return None, *self.windows


@dataclass(frozen=True)
class Part:
    """A few of a step's images, and what the trunk says of their latents."""

    x_BCHW: Tensor
    """Real images, uint8."""
    coarse_BCHW: Tensor
    """The same shrunk, float."""
    noise_seeds: list[int]
    labels_B: Tensor | None
    trunk: Trunk
    twins: Trunk
    """What it says of their twins' latents, without a graph."""
    share: float
    """Of the step's images."""
    windows: int
    """How many of each image D judges."""

    def real(self, view: View) -> Tensor:
        """Return a view of the real images, in [-1, 1]."""
        return self.coarse_BCHW if view is None else to_float(view.of(self.x_BCHW))


@dataclass(frozen=True)
class Judged:
    """What a judge made of one view of a few images."""

    view: View
    real_B: Tensor
    """Logits of the real images, without their graph."""
    loss: Tensor


@dataclass(frozen=True)
class Made:
    """What G has of one view of a few images."""

    adversarial: Tensor
    energy: Tensor
    """The energy score."""

    def loss(self, energy_weight: float) -> Tensor:
        """Return what G learns from."""
        return self.adversarial + energy_weight * self.energy
