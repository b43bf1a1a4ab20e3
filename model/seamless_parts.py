"""What a training step of the seamless model works through: views of a few images at a time.

Dimensions: B batch, C channels, H W pixels, Z latent.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model.pixels import to_float
from model.regions import Window
from model.seamless import Trunk

View = Window | None
"""A window, which D judges, or None for the coarse image, which FD judges."""


@dataclass(frozen=True)
class Draws:
    """Every random number of a step, and the kinds and labels of its images, real and generated alike."""

    z_BZ: Tensor
    windows: tuple[Window, ...]
    noise_seeds: list[int]
    kinds_B: Tensor
    labels_B: Tensor | None
    """Of the classes that the kinds are of; None without classes."""

    @property
    def views(self) -> tuple[View, ...]:
        """What the judges are shown: the coarse image, and the windows."""
        return None, *self.windows

    def part(self, chosen: slice) -> "Draws":
        """Return the draws of some of the images."""
        labels_B = None if self.labels_B is None else self.labels_B[chosen]
        return Draws(self.z_BZ[chosen], self.windows, self.noise_seeds[chosen], self.kinds_B[chosen], labels_B)


@dataclass(frozen=True)
class Part:
    """A few of a step's images, and what the trunk says of their latents."""

    x_BCHW: Tensor
    """Real images, uint8."""
    coarse_BCHW: Tensor
    """The same shrunk, float."""
    draws: Draws
    trunk: Trunk
    share: float
    """Of the step's images."""
    own: bool
    """Whether this process judges them; of others' images it knows what the energy distance needs."""

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


def cut_off(trunk: Trunk, chosen: slice, own: bool) -> Trunk:
    """Return what the trunk says of some images as leaves, which gather the gradients of a process's own images."""
    return Trunk(*(values[chosen].detach().requires_grad_(own) for values in trunk))


def gathered(leaf: Tensor) -> Tensor:
    """Return the gradient that a leaf has gathered, zeros if none."""
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad
