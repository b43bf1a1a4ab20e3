"""How the networks of the seamless model are trained: learning rates and their decay, and weights of the losses."""

from dataclasses import dataclass

import torch
from torch import nn

BETAS = 0.5, 0.99
"""Adam's decay rates, for all networks."""


@dataclass(frozen=True)
class SeamlessRecipe:
    """Settings of the training."""

    total_steps: int
    learning_rate: float = 3e-3
    discriminator_learning_rate: float = 5e-4
    lr_decay_fraction: float = 0.4
    """Learning rate decay: the rates fall linearly over this last fraction of the steps ..."""
    final_lr_fraction: float = 0.02
    """... to this fraction of their initial values."""
    energy_weight: float = 50.0
    r1_gamma: float = 0.1
    """Gamma of the R1 penalty (Mescheder et al. 2018, arXiv:1801.04406): gamma / 2 E|grad D(x)|^2 on real images."""
    r1_interval: int = 8
    """The R1 penalty is taken every n-th step, times n (Karras et al. 2020, arXiv:1912.04958, appendix B)."""
    ema_decay: float = 0.995

    def rate(self, index: int) -> float:
        """Return the factor on the learning rates in step `index`, counted from 1."""
        if not self.lr_decay_fraction:
            return 1.0
        decayed = (index / self.total_steps - (1 - self.lr_decay_fraction)) / self.lr_decay_fraction
        return 1 - (1 - self.final_lr_fraction) * min(max(decayed, 0), 1)

    def adam(self, network: nn.Module, learning_rate: float) -> torch.optim.Adam:
        """Return the optimizer of one network."""
        return torch.optim.Adam(network.parameters(), lr=learning_rate, betas=BETAS)
