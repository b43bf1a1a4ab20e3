"""How the networks of the seamless model are trained: rates, weights, and how they change on the way."""

from dataclasses import dataclass

import torch
from torch import nn

FALLING = 0.4


@dataclass(frozen=True)
class SeamlessRecipe:
    """How the networks are trained."""

    total_steps: int
    """The learning rates fall over the last `FALLING` of them to `last_rate` of what they were."""
    learning_rate: float = 3e-3
    judge_learning_rate: float = 5e-4
    beta1: float = 0.5
    beta2: float = 0.99
    energy_weight: float = 50.0
    slope_weight: float = 0.1
    """Gamma of R1 (Mescheder et al. 2018, arXiv:1801.04406): gamma / 2 E|grad D(x)|^2 on real images."""
    slope_every_steps: int = 8
    ema_decay: float = 0.995
    last_rate: float = 0.02

    def rate(self, index: int) -> float:
        """Return the share of the learning rates that step `index`, counted from 1, uses."""
        fallen = (index / self.total_steps - (1 - FALLING)) / FALLING
        return 1 - (1 - self.last_rate) * min(max(fallen, 0), 1)

    def adam(self, network: nn.Module, learning_rate: float) -> torch.optim.Adam:
        """Return the optimizer of one network."""
        return torch.optim.Adam(network.parameters(), lr=learning_rate, betas=(self.beta1, self.beta2))
