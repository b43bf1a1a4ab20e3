"""One training step of the paper's model: D, then FD, then G, each with Adam.

Dimensions: B batch, C channels, H W pixels, Z latent.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model.objective import GeneratorLoss, discriminator_loss, generator_loss
from model.paper import GRID, REGIONS, FullDiscriminator, Generator, PaperConfig, RegionDiscriminator
from model.regions import phi, psi


@dataclass(frozen=True)
class AdamConfig:
    """Adam (Kingma and Ba 2014, arXiv:1412.6980), alike for the three networks."""

    learning_rate: float
    beta1: float
    beta2: float

    def build(self, network: nn.Module) -> torch.optim.Adam:
        """Return the optimizer of one network."""
        return torch.optim.Adam(network.parameters(), lr=self.learning_rate, betas=(self.beta1, self.beta2))


class Training:
    """The three networks, their optimizers, and the step that trains them."""

    def __init__(self, config: PaperConfig, adam: AdamConfig, loss: GeneratorLoss, seed: int) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.generator = Generator(config)
            self.region_discriminator = RegionDiscriminator(config)
            self.full_discriminator = FullDiscriminator(config)
        self.loss = loss
        self.networks: dict[str, nn.Module] = {
            "G": self.generator,
            "D": self.region_discriminator,
            "FD": self.full_discriminator,
        }
        for network in self.networks.values():
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # a third faster on CPUs
        self.optimizers = {name: adam.build(network) for name, network in self.networks.items()}

    def step(self, x_BCHW: Tensor, z_BZ: Tensor) -> dict[str, Tensor]:
        """Update D, FD and G once from real images in [-1, 1] and latents N(0, 1); return the three losses."""
        x_BCHW = x_BCHW.contiguous(memory_format=torch.channels_last)
        fakes = [self.generator(z_BZ, region) for region in range(REGIONS)]
        merged_BCHW = phi(fakes, GRID)
        losses = {
            "D": self._update("D", lambda: self._region_loss(x_BCHW, [fake.detach() for fake in fakes])),
            "FD": self._update("FD", lambda: self._full_loss(x_BCHW, merged_BCHW.detach())),
        }
        with _frozen(self.region_discriminator, self.full_discriminator):
            losses["G"] = self._update("G", lambda: self._generator_loss(fakes, merged_BCHW))
        return losses

    def _update(self, name: str, loss_of: Callable[[], Tensor]) -> Tensor:
        optimizer = self.optimizers[name]
        optimizer.zero_grad(set_to_none=True)
        loss = loss_of()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return loss.detach()

    def _region_loss(self, x_BCHW: Tensor, fakes: list[Tensor]) -> Tensor:
        judge = self.region_discriminator
        losses = [
            discriminator_loss(judge(psi(x_BCHW, region, GRID), region), judge(fake, region))
            for region, fake in enumerate(fakes)
        ]
        return torch.stack(losses).mean()

    def _full_loss(self, x_BCHW: Tensor, merged_BCHW: Tensor) -> Tensor:
        return discriminator_loss(self.full_discriminator(x_BCHW), self.full_discriminator(merged_BCHW))

    def _generator_loss(self, fakes: list[Tensor], merged_BCHW: Tensor) -> Tensor:
        verdicts = [self.region_discriminator(fake, region) for region, fake in enumerate(fakes)]
        of_regions = torch.stack([generator_loss(verdict, self.loss) for verdict in verdicts]).mean()
        return of_regions + generator_loss(self.full_discriminator(merged_BCHW), self.loss)


@contextmanager
def _frozen(*networks: nn.Module) -> Iterator[None]:
    """Keep gradients out of the discriminators' weights while G learns through them."""
    for network in networks:
        network.requires_grad_(False)
    yield
    for network in networks:
        network.requires_grad_(True)


def random_stream(*place: int | str) -> torch.Generator:
    """Return a random generator that depends on its place alone, such as (seed, "batch", step).

    Training that draws so needs no random state in its checkpoints: it resumes exactly from its progress.
    """
    name = "/".join(str(part) for part in place)
    return torch.Generator().manual_seed(int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big") >> 1)
