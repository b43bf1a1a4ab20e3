"""One training step of the paper's model: D, then FD, then G, each with Adam.

Dimensions: B batch, C channels, H W pixels, Z latent.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..optimization import AdamConfig, GradientMode, backward, frozen, updated
from ..pixels import to_float
from ..regions import phi, psi
from . import region_wise
from .config import GRID, REGIONS, PaperConfig
from .networks import FullDiscriminator, PaperGenerator, RegionDiscriminator
from .objective import GeneratorLoss, discriminator_loss, generator_loss


class PaperTraining:
    """The three networks, their optimizers, and the training step.

    A `joint` step computes the objective as it is written and keeps the graph of the whole step. It is the reference.
    A `region_wise` step has the same gradient and running statistics with the memory of one region (region_wise.py).
    """

    def __init__(
        self,
        config: PaperConfig,
        adam: AdamConfig,
        loss: GeneratorLoss,
        seed: int,
        gradient_mode: GradientMode = "region_wise",
    ) -> None:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.generator = PaperGenerator(config)
            self.region_discriminator = RegionDiscriminator(config)
            self.full_discriminator = FullDiscriminator(config)
        self.loss = loss
        self.gradient_mode = gradient_mode
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
        """Update every network once from real images, uint8, with latents drawn from `stream`; return the three losses.

        `index`, the number of the training step, and `kinds_B` have no effect in this model.
        """
        z_BZ = torch.randn(len(x_BCHW), self.generator.config.latent_size, generator=stream)
        return self.update(to_float(x_BCHW), z_BZ.to(x_BCHW.device))

    def update(self, x_BCHW: Tensor, z_BZ: Tensor) -> dict[str, Tensor]:
        """Update D, FD and G once from real images in [-1, 1] and latents from N(0, 1); return the three losses."""
        x_BCHW = x_BCHW.contiguous(memory_format=torch.channels_last)
        return self._joint_step(x_BCHW, z_BZ) if self.gradient_mode == "joint" else self._region_wise_step(x_BCHW, z_BZ)

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
        discriminator, full_discriminator = self.region_discriminator, self.full_discriminator
        with torch.no_grad():
            fake_BCHW = self.generator.full_image(z_BZ)
        with updated(self.optimizers["D"]):
            loss_D = region_wise.learn_regions(discriminator, x_BCHW, fake_BCHW)
        with updated(self.optimizers["FD"]):
            loss_FD = region_wise.learn_full_images(full_discriminator, x_BCHW, fake_BCHW)
        with frozen(discriminator, full_discriminator):
            loss_G, gradient_BCHW = region_wise.image_gradient(discriminator, full_discriminator, fake_BCHW, self.loss)
        with updated(self.optimizers["G"]):
            region_wise.learn_generator(self.generator, z_BZ, gradient_BCHW)
        return {"D": loss_D, "FD": loss_FD, "G": loss_G}

    def _minimise(self, name: str, loss_of: Callable[[], Tensor]) -> Tensor:
        with updated(self.optimizers[name]):
            return backward(loss_of())

    def _region_loss(self, x_BCHW: Tensor, fakes: list[Tensor]) -> Tensor:
        discriminator = self.region_discriminator
        losses = [
            discriminator_loss(discriminator(psi(x_BCHW, region, GRID), region), discriminator(fake, region))
            for region, fake in enumerate(fakes)
        ]
        return torch.stack(losses).mean()

    def _full_loss(self, x_BCHW: Tensor, merged_BCHW: Tensor) -> Tensor:
        return discriminator_loss(self.full_discriminator(x_BCHW), self.full_discriminator(merged_BCHW))

    def _generator_loss(self, fakes: list[Tensor], merged_BCHW: Tensor) -> Tensor:
        logits = [self.region_discriminator(fake, region) for region, fake in enumerate(fakes)]
        region_loss = torch.stack([generator_loss(logits_B, self.loss) for logits_B in logits]).mean()
        return region_loss + generator_loss(self.full_discriminator(merged_BCHW), self.loss)
