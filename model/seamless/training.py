"""One training step of the seamless model: D and FD, then G, with the memory of one view of a few images.

The discriminators score views of an image: FD its coarse image, D windows of it at its own resolution. G minimises,
over its images y, real images x and their views,

    E[softplus(FD(x) - FD(y)) + softplus(D(x) - D(y)) + w * energy score(y, y', x)]

The discriminators minimise the first two terms with x and y exchanged, plus the R1 penalty. Pairing a real with a
generated image is the relativistic loss of Jolicoeur-Martineau 2018, arXiv:1807.00734.

The energy score (energy.py) is taken of y and of a second sample y' of the same kind. From the first step on, it
teaches G where things lie and how packages differ. The discriminators take long to learn that. A step renders only the
detail inside the windows. So it takes the same time and memory at any image size (layout once, detail by windows: Chai
et al. 2022, arXiv:2204.07156).

`joint` keeps the graph of the whole step. `region_wise` works on a few images and one view at a time. The loss is a sum
over views, so each view is rendered, scored and backpropagated by itself (see paper/region_wise.py). Only the trunk,
which has few cells, processes the whole batch at once. So both modes give the same gradients.

Several processes divide the images of a region-wise step (model/processes.py). Each process runs the trunk for all
images, and everything else for its own images. It backpropagates their gradients through the trunk, with zeros for the
other images. The backward pass is linear, so the sum over the processes is the gradient of the whole batch, batch
normalisation included.

Dimensions: B batch, C channels, H W pixels, F features, Z latent.
"""

import copy
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from ..optimization import GradientMode, backward, frozen, updated
from ..pixels import shrunk, to_float
from ..processes import ALONE, Processes
from ..streams import random_stream
from .config import SeamlessConfig
from .discriminators import FullDiscriminator, RegionDiscriminator, draw_windows
from .energy import image_energy
from .generator import SeamlessGenerator, Trunk
from .microbatch import DiscriminatorLoss, Draws, GeneratorLosses, MicroBatch, View
from .recipe import SeamlessRecipe

IMAGES_AT_ONCE = 16
R1_SIGMA = 0.05
"""Standard deviation of the noise that measures the slopes of D and FD."""


class SeamlessTraining:
    """The three networks, their optimizers, and the training step."""

    def __init__(
        self,
        config: SeamlessConfig,
        recipe: SeamlessRecipe,
        seed: int,
        gradient_mode: GradientMode = "region_wise",
        images_at_once: int = IMAGES_AT_ONCE,
        bfloat16: bool = False,
        processes: Processes = ALONE,
    ) -> None:
        """Build the networks. A region-wise step holds one view of at most `images_at_once` images.

        With `bfloat16`, layers compute in bfloat16, but for the last ones of D and FD, and weights stay in float32
        (torch's autocast). Raises ValueError for a joint step of several processes.
        """
        if gradient_mode == "joint" and processes.count > 1:
            raise ValueError("gradient_mode: joint trains in one process only; use region_wise for several processes")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.trained = SeamlessGenerator(config)
            self.region_discriminator = RegionDiscriminator(config)
            self.full_discriminator = FullDiscriminator(config)
        self.recipe, self.gradient_mode, self.bfloat16, self.processes = recipe, gradient_mode, bfloat16, processes
        self.images_at_once = images_at_once
        self.averaged = copy.deepcopy(self.trained).requires_grad_(False).eval()
        self.networks: dict[str, nn.Module] = {
            "G": self.trained,
            "D": self.region_discriminator,
            "FD": self.full_discriminator,
            "EMA": self.averaged,
        }
        for network in self.networks.values():
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "G": recipe.adam(self.trained, recipe.learning_rate),
            "D": recipe.adam(self.region_discriminator, recipe.discriminator_learning_rate),
            "FD": recipe.adam(self.full_discriminator, recipe.discriminator_learning_rate),
        }

    @property
    def generator(self) -> SeamlessGenerator:
        """The generator to publish: its weights are the moving average (EMA) of G's weights."""
        return self.averaged

    def step(
        self, x_BCHW: Tensor, index: int, stream: torch.Generator, kinds_B: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Update D, FD and G once; return the losses of D and FD, the adversarial loss of G, and the energy score.

        `x_BCHW` are real images, uint8. `kinds_B` are the numbers of their kinds, required if there are several kinds.
        `index` counts the steps from 1. Every random number comes from `stream`. Several processes pass the same batch,
        and each trains on its share.
        """
        draws = self._draw(x_BCHW, stream, kinds_B)
        self._set_rates(index)
        with_r1 = index % self.recipe.r1_interval == 0
        z_BZ, second_z_BZ = draws.z_2BZ
        with self._precision():
            trunk = self.trained.trunk(z_BZ, draws.kinds_B)
            with torch.no_grad():
                second = self.trained.trunk(second_z_BZ, draws.kinds_B)
        step = self._joint_step if self.gradient_mode == "joint" else self._region_wise_step
        losses = step(x_BCHW, draws, trunk, second, with_r1)
        self._average(index)
        return losses

    def _draw(self, x_BCHW: Tensor, stream: torch.Generator, kinds_B: Tensor | None) -> Draws:
        batch, config = len(x_BCHW), self.trained.config
        kinds_B = self.trained.checked_kinds(batch, kinds_B)
        return Draws(
            z_2BZ=torch.randn(2, batch, config.latent_size, generator=stream).to(x_BCHW.device),
            windows=draw_windows(config, stream),
            noise_seeds=torch.randint(2**62, (batch,), generator=stream).tolist(),
            kinds_B=kinds_B,
            labels_B=self.trained.class_of_kind_K[kinds_B] if config.classes else None,
        )

    def _set_rates(self, index: int) -> None:
        rate, recipe = self.recipe.rate(index), self.recipe
        for name, optimizer in self.optimizers.items():
            base = recipe.learning_rate if name == "G" else recipe.discriminator_learning_rate
            optimizer.param_groups[0]["lr"] = rate * base

    def _joint_step(
        self, x_BCHW: Tensor, draws: Draws, trunk: Trunk, second: Trunk, with_r1: bool
    ) -> dict[str, Tensor]:
        whole = self._micro_batch(x_BCHW, draws, trunk, second, slice(0, len(x_BCHW)))
        with updated(self.optimizers["D"], self.optimizers["FD"]):
            d_losses = [self._discriminator_loss(whole, view, with_r1) for view in draws.views]
            backward(torch.stack([d_loss.loss for d_loss in d_losses]).sum())
        with frozen(self.region_discriminator, self.full_discriminator), updated(self.optimizers["G"]):
            g_losses = [self._generator_losses(whole, d_loss) for d_loss in d_losses]
            backward(torch.stack([g_loss.total(self.recipe.energy_weight) for g_loss in g_losses]).sum())
        return _losses(d_losses, g_losses)

    def _region_wise_step(
        self, x_BCHW: Tensor, draws: Draws, trunk: Trunk, second: Trunk, with_r1: bool
    ) -> dict[str, Tensor]:
        leaves = Trunk(*(values.detach().requires_grad_() for values in trunk))
        batches = [self._micro_batch(x_BCHW, draws, leaves, second, part) for part in self._own(len(x_BCHW))]
        work = [(batch, view) for batch in batches for view in draws.views]
        with updated(self.optimizers["D"], self.optimizers["FD"]):
            d_losses = [_backpropagated(self._discriminator_loss(batch, view, with_r1)) for batch, view in work]
            self.processes.add_up_gradients(self.region_discriminator, self.full_discriminator)
        with frozen(self.region_discriminator, self.full_discriminator), updated(self.optimizers["G"]):
            g_losses = list[GeneratorLosses]()
            for (batch, _), d_loss in zip(work, d_losses, strict=True):
                g_losses.append(self._generator_losses(batch, d_loss))
                backward(g_losses[-1].total(self.recipe.energy_weight))
            reached = [(values, leaf.grad) for values, leaf in zip(trunk, leaves, strict=True) if leaf.grad is not None]
            torch.autograd.backward([values for values, _ in reached], [gradient for _, gradient in reached])
            self.processes.add_up_gradients(self.trained)
        return self.processes.add_up(_losses(d_losses, g_losses))

    def _own(self, batch: int) -> Iterator[slice]:
        """Yield which images of a batch belong to this process, a few at a time."""
        own = self.processes.share(batch, self.processes.rank)
        for first in range(own.start, own.stop, self.images_at_once):
            yield slice(first, min(first + self.images_at_once, own.stop))

    def _micro_batch(self, x_BCHW: Tensor, draws: Draws, trunk: Trunk, second: Trunk, part: slice) -> MicroBatch:
        """Return part of a batch, with the trunk's output for its images and for their second samples."""
        images = x_BCHW[part]
        return MicroBatch(
            x_BCHW=images,
            coarse_BCHW=self._coarse(images),
            noise_seeds=draws.noise_seeds[part],
            labels_B=None if draws.labels_B is None else draws.labels_B[part],
            trunk=Trunk(*(values[part] for values in trunk)),
            second=Trunk(*(values[part] for values in second)),
            share=len(images) / len(x_BCHW),
            windows=len(draws.windows),
        )

    def _coarse(self, x_BCHW: Tensor) -> Tensor:
        """Return real images, uint8, as coarse ones. They are shrunk one by one, because they may be large."""
        size_px = self.trained.config.coarse_px
        dtype = torch.get_default_dtype()
        return torch.cat([to_float(shrunk(x_1CHW.to(dtype), size_px)) for x_1CHW in torch.split(x_BCHW, 1)])

    def _discriminator_loss(self, batch: MicroBatch, view: View, with_r1: bool) -> DiscriminatorLoss:
        """Return the loss of D, or of FD, on one view."""
        x_BCHW, weight = batch.real(view), _weight(batch, view)
        with torch.no_grad():
            fake_BCHW = self._rendered(batch, batch.trunk, view).detach()
        real_B = self._logits(x_BCHW, batch, view)
        loss = softplus(self._logits(fake_BCHW, batch, view) - real_B).mean()
        if with_r1:
            noisy_B = self._logits(_noisy(x_BCHW, batch.noise_seeds, view), batch, view)
            slope = ((noisy_B - real_B) / R1_SIGMA).square().mean()
            loss = loss + self.recipe.r1_gamma / 2 * self.recipe.r1_interval * slope
        return DiscriminatorLoss(view, real_B.detach(), weight * loss)

    def _generator_losses(self, batch: MicroBatch, d_loss: DiscriminatorLoss) -> GeneratorLosses:
        """Return G's losses on one view.

        Images without detail are their coarse images, so their windows add nothing to the energy score.
        """
        view, weight = d_loss.view, _weight(batch, d_loss.view)
        fake_BCHW = self._rendered(batch, batch.trunk, view)
        adversarial = weight * softplus(d_loss.real_B - self._logits(fake_BCHW, batch, view)).mean()
        if view is not None and self.trained.to_detail is None:
            return GeneratorLosses(adversarial, torch.zeros_like(adversarial))
        with torch.no_grad():
            second_BCHW = self._rendered(batch, batch.second, view)
        return GeneratorLosses(adversarial, weight * image_energy(fake_BCHW, second_BCHW, batch.real(view)))

    def _rendered(self, batch: MicroBatch, trunk: Trunk, view: View) -> Tensor:
        with self._precision():
            view_BCHW = trunk.coarse_BCHW if view is None else self.trained.window(trunk, view)
        return view_BCHW.to(batch.coarse_BCHW)

    def _logits(self, x_BCHW: Tensor, batch: MicroBatch, view: View) -> Tensor:
        x_BCHW, labels_B = x_BCHW.contiguous(memory_format=torch.channels_last), batch.labels_B
        with self._precision():
            if view is None:
                logits_B: Tensor = self.full_discriminator(x_BCHW, labels_B)
            else:
                logits_B = self.region_discriminator(x_BCHW, view, labels_B)
        return logits_B.to(batch.coarse_BCHW)

    def _precision(self) -> torch.autocast:
        device = next(self.trained.parameters()).device
        return torch.autocast(device.type, torch.bfloat16, enabled=self.bfloat16)

    @torch.no_grad()
    def _average(self, index: int) -> None:
        decay = min(self.recipe.ema_decay, index / (index + 10))
        for average, weight in zip(self.averaged.parameters(), self.trained.parameters(), strict=True):
            average.lerp_(weight, 1 - decay)
        for kept, statistic in zip(self.averaged.buffers(), self.trained.buffers(), strict=True):
            kept.copy_(statistic)


def _weight(batch: MicroBatch, view: View) -> float:
    """Return the weight of a view in the loss: D's windows together weigh as much as FD's one view."""
    return batch.share / (1 if view is None else batch.windows)


def _losses(d_losses: list[DiscriminatorLoss], g_losses: list[GeneratorLosses]) -> dict[str, Tensor]:
    """Return each network's loss, summed over its views, and the energy score."""
    of_discriminators = {
        name: torch.stack([item.loss.detach() for item in d_losses if (item.view is None) == (name == "FD")]).sum()
        for name in ("D", "FD")
    }
    of_generator = {
        "G": torch.stack([item.adversarial.detach() for item in g_losses]).sum(),
        "energy": torch.stack([item.energy.detach() for item in g_losses]).sum(),
    }
    return of_discriminators | of_generator


def _backpropagated(d_loss: DiscriminatorLoss) -> DiscriminatorLoss:
    """Accumulate the loss's gradient in the discriminator's weights, and free its graph."""
    return replace(d_loss, loss=backward(d_loss.loss))


def _noisy(x_BCHW: Tensor, seeds: list[int], view: View) -> Tensor:
    """Return views of images plus Gaussian noise, which the image's seed and the view determine.

    E[((D(x + s n) - D(x)) / s)^2] = |grad D(x)|^2 + O(s^2). This gives the R1 penalty without a second derivative (Lin
    et al. 2025, arXiv:2501.08316, section 3.4).
    """
    noises = [torch.randn(x_BCHW.shape[1:], generator=random_stream(seed, str(view))) for seed in seeds]
    return torch.stack(noises).to(x_BCHW).mul_(R1_SIGMA).add_(x_BCHW)
