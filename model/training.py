"""One training step of the paper's model: D, then FD, then G, each with Adam.

Dimensions: B batch, C channels, H W pixels, Z latent.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from model import region_wise
from model.objective import GeneratorLoss, discriminator_loss, generator_loss
from model.paper import GRID, REGIONS, FullDiscriminator, Generator, PaperConfig, RegionDiscriminator
from model.pixels import to_float
from model.regions import phi, psi

StepKind = Literal["joint", "region_wise"]


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
    """The three networks, their optimizers, and the step that trains them.

    A `joint` step writes the objective down as it is and keeps the graph of a whole step: the reference.
    A `region_wise` step has the same gradient and running statistics at a region's memory (model/region_wise.py).
    """

    def __init__(
        self,
        config: PaperConfig,
        adam: AdamConfig,
        loss: GeneratorLoss,
        seed: int,
        step_kind: StepKind = "region_wise",
    ) -> None:
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.generator = Generator(config)
            self.region_discriminator = RegionDiscriminator(config)
            self.full_discriminator = FullDiscriminator(config)
        self.loss = loss
        self.step_kind = step_kind
        self.networks: dict[str, nn.Module] = {
            "G": self.generator,
            "D": self.region_discriminator,
            "FD": self.full_discriminator,
        }
        for network in self.networks.values():
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload] # a third faster on CPUs
        self.optimizers = {name: adam.build(network) for name, network in self.networks.items()}

    def step(
        self, x_BCHW: Tensor, index: int, stream: torch.Generator, kinds_B: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Update every network once from real images, uint8, with latents drawn from `stream`.

        `index` counts the steps of a training; each step of this model is alike, and knows no kinds.
        """
        z_BZ = torch.randn(len(x_BCHW), self.generator.config.latent_size, generator=stream)
        return self.update(to_float(x_BCHW), z_BZ.to(x_BCHW.device))

    def update(self, x_BCHW: Tensor, z_BZ: Tensor) -> dict[str, Tensor]:
        """Update D, FD and G once from real images in [-1, 1] and latents N(0, 1); return the three losses."""
        x_BCHW = x_BCHW.contiguous(memory_format=torch.channels_last)
        return self._joint_step(x_BCHW, z_BZ) if self.step_kind == "joint" else self._region_wise_step(x_BCHW, z_BZ)

    def _joint_step(self, x_BCHW: Tensor, z_BZ: Tensor) -> dict[str, Tensor]:
        fakes = [self.generator(z_BZ, region) for region in range(REGIONS)]
        merged_BCHW = phi(fakes, GRID)
        losses = {
            "D": self._minimise("D", lambda: self._region_loss(x_BCHW, [fake.detach() for fake in fakes])),
            "FD": self._minimise("FD", lambda: self._full_loss(x_BCHW, merged_BCHW.detach())),
        }
        with frozen(self.region_discriminator, self.full_discriminator):
            losses["G"] = self._minimise("G", lambda: self._generator_loss(fakes, merged_BCHW))
        return losses

    def _region_wise_step(self, x_BCHW: Tensor, z_BZ: Tensor) -> dict[str, Tensor]:
        judge, full_judge = self.region_discriminator, self.full_discriminator
        fake_BCHW = region_wise.merged_image(self.generator, z_BZ)
        with updated(self.optimizers["D"]):
            loss_D = region_wise.learn_regions(judge, x_BCHW, fake_BCHW)
        with updated(self.optimizers["FD"]):
            loss_FD = region_wise.learn_full_images(full_judge, x_BCHW, fake_BCHW)
        with frozen(judge, full_judge):
            loss_G, gradient_BCHW = region_wise.image_gradient(judge, full_judge, fake_BCHW, self.loss)
        with updated(self.optimizers["G"]):
            region_wise.learn_generator(self.generator, z_BZ, gradient_BCHW)
        return {"D": loss_D, "FD": loss_FD, "G": loss_G}

    def _minimise(self, name: str, loss_of: Callable[[], Tensor]) -> Tensor:
        with updated(self.optimizers[name]):
            loss = loss_of()
            loss.backward()  # type: ignore[no-untyped-call]
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
def updated(*optimizers: torch.optim.Optimizer) -> Iterator[None]:
    """Let the gradients that the body adds up make one step of each optimizer, then let go of their memory."""
    for optimizer in optimizers:
        optimizer.zero_grad(set_to_none=True)
    yield
    for optimizer in optimizers:
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)


@contextmanager
def frozen(*networks: nn.Module) -> Iterator[None]:
    """Keep gradients out of the discriminators' weights while G learns through them."""
    for network in networks:
        network.requires_grad_(False)
    yield
    for network in networks:
        network.requires_grad_(True)
