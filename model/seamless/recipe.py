"""How the networks of the seamless model are trained: rates, weights, and how they change on the way."""

from dataclasses import dataclass

import torch
from torch import nn

BETAS = 0.5, 0.99
"""Of Adam, for all networks."""


@dataclass(frozen=True)
class SeamlessRecipe:
    """How the networks are trained."""

    total_steps: int
    learning_rate: float = 3e-3
    discriminator_learning_rate: float = 5e-4
    lr_decay_fraction: float = 0.4
    """The learning rates fall linearly over this last part of the steps ..."""
    final_lr_fraction: float = 0.02
    """... to this fraction of what they were."""
    energy_weight: float = 50.0
    r1_gamma: float = 0.1
    """Gamma of R1 (Mescheder et al. 2018, arXiv:1801.04406): gamma / 2 E|grad D(x)|^2 on real images."""
    r1_interval: int = 8
    """R1 is taken every so many steps, and weighs as much more (Karras et al. 2020, arXiv:1912.04958, appendix B)."""
    ema_decay: float = 0.995

    def rate(self, index: int) -> float:
        """Return the fraction of the learning rates that step `index`, counted from 1, uses."""
        if not self.lr_decay_fraction:
            return 1.0
        decayed = (index / self.total_steps - (1 - self.lr_decay_fraction)) / self.lr_decay_fraction
        return 1 - (1 - self.final_lr_fraction) * min(max(decayed, 0), 1)

    def adam(self, network: nn.Module, learning_rate: float) -> torch.optim.Adam:
        """Return the optimizer of one network."""
        return torch.optim.Adam(network.parameters(), lr=learning_rate, betas=BETAS)
