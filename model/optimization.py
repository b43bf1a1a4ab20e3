"""What the training steps of all variants share: Adam, the update of networks, and freezing."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

GradientMode = Literal["joint", "region_wise"]


@dataclass(frozen=True)
class AdamConfig:
    """Settings of Adam (Kingma and Ba 2014, arXiv:1412.6980)."""

    learning_rate: float
    beta1: float
    beta2: float

    def build(self, network: nn.Module) -> torch.optim.Adam:
        """Return the optimizer of one network."""
        return torch.optim.Adam(network.parameters(), lr=self.learning_rate, betas=(self.beta1, self.beta2))


def backward(loss: Tensor) -> Tensor:
    """Accumulate the gradient of a scalar in the weights behind it; return the scalar without its graph."""
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


@contextmanager
def updated(*optimizers: torch.optim.Optimizer) -> Iterator[None]:
    """Take one step of each optimizer with the gradients that the block accumulates, then free their memory."""
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    yield
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Keep gradients out of the discriminators' weights inside the block, where G is trained through them."""
    for network in networks:
        network.requires_grad_(False)
    yield
    for network in networks:
        network.requires_grad_(True)
