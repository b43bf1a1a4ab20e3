"""One training step of the seamless model: both judges, then G, at the memory of one tile of a few images.

G minimises, over its images y and real images x,

    E[softplus(FD(x) - FD(y)) + softplus(D(x) - D(y))] + w * energy distance(y, x)

and the judges the first term with its sign turned, plus R1. The pairing of a real with a generated image is the
relativistic loss of Jolicoeur-Martineau 2018, arXiv:1807.00734. The energy distance (model/energy.py) tells G from the
first step on where things lie and how packages differ from each other, which the judges take long to learn.

`joint` keeps the whole step's graph. `region_wise` goes image by image and tile by tile: the judges say dL/dimage, and
each tile is made once more, with a graph, to send its part of it through G (model/region_wise.py has the argument).
Only the trunk, of a few cells, sees the whole batch at once, so both give the same gradients.

Several processes divide the images of a region-wise step (model/processes.py). Each runs the trunk for all images and
everything else for its own; the energy distance is taken of all shrunk images. What reaches the trunk from a process's
own images goes back through it with zeros for the others', and since that is linear, the sum over the processes is the
gradient of the whole batch, batch normalisation included.

Dimensions: B batch, C channels, H W pixels, F features, Z latent.
"""

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils.checkpoint import checkpoint

from model.energy import image_energy, shrunk
from model.pixels import to_float
from model.processes import ALONE, Processes
from model.regions import psi
from model.seamless import SeamlessConfig, SeamlessGenerator, Trunk
from model.seamless_judges import FullJudge, RegionJudge, Window, draw_windows
from model.seamless_recipe import SeamlessRecipe
from model.training import StepKind, frozen, updated

TILE_PX = 512
PIXELS_AT_ONCE = 2**18
NOISE = 0.05
"""Standard deviation of the noise by which the judges' slopes are measured."""


@dataclass(frozen=True)
class _Draws:
    """Every random number of a step, and the labels of its images, real and generated alike."""

    z_BZ: Tensor
    windows: tuple[Window, ...]
    noise_seeds: list[int]
    labels_B: Tensor | None

    def part(self, chosen: slice) -> "_Draws":
        labels_B = None if self.labels_B is None else self.labels_B[chosen]
        return _Draws(self.z_BZ[chosen], self.windows, self.noise_seeds[chosen], labels_B)


@dataclass(frozen=True)
class _Part:
    """A few of a step's images, and what the trunk says of their latents."""

    x_BCHW: Tensor
    draws: _Draws
    trunk: Trunk
    """Cut off from the trunk's graph; gradients gather in it."""
    share: float
    """Of the step's images."""


@dataclass(frozen=True)
class _Judged:
    """What the judges made of some images."""

    losses: dict[str, Tensor]
    real: dict[str, Tensor]
    """Logits of the real images."""
    shrunk_fake_BCHW: Tensor
    shrunk_real_BCHW: Tensor


class SeamlessTraining:
    """The three networks, their optimizers, and the step that trains them."""

    def __init__(
        self,
        config: SeamlessConfig,
        recipe: SeamlessRecipe,
        seed: int,
        step_kind: StepKind = "region_wise",
        grid: int | None = None,
        images_at_once: int | None = None,
        bfloat16: bool = False,
        processes: Processes = ALONE,
    ) -> None:
        """Build the networks; region-wise, a step holds one tile of a grid x grid grid of `images_at_once` images.

        Without those two, tiles have `TILE_PX` a side and the images that are held have `PIXELS_AT_ONCE` in all.
        With `bfloat16`, convolutions run in that precision and weights stay in float32 (torch's autocast).
        Raises ValueError for a joint step of several processes.
        """
        if step_kind == "joint" and processes.count > 1:
            raise ValueError("step: joint keeps the whole step in one process; use region_wise for several")
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.trained = SeamlessGenerator(config)
            self.region_judge = RegionJudge(config)
            self.full_judge = FullJudge(config)
        self.recipe, self.step_kind, self.bfloat16, self.processes = recipe, step_kind, bfloat16, processes
        self.grid = grid or max(config.image_size_px // TILE_PX, 1)
        self.images_at_once = images_at_once or max(PIXELS_AT_ONCE // config.image_size_px**2, 1)
        self.averaged = copy.deepcopy(self.trained).requires_grad_(False).eval()
        self.networks: dict[str, nn.Module] = {
            "G": self.trained,
            "D": self.region_judge,
            "FD": self.full_judge,
            "EMA": self.averaged,
        }
        for network in self.networks.values():
            network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.optimizers: dict[str, torch.optim.Optimizer] = {
            "G": recipe.adam(self.trained, recipe.learning_rate),
            "D": recipe.adam(self.region_judge, recipe.judge_learning_rate),
            "FD": recipe.adam(self.full_judge, recipe.judge_learning_rate),
        }

    @property
    def generator(self) -> SeamlessGenerator:
        """The generator to publish: the running average of G's weights."""
        return self.averaged

    def step(
        self, x_BCHW: Tensor, index: int, stream: torch.Generator, labels_B: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Update D, FD and G once; return their losses, and the energy distance.

        `x_BCHW` are real images, uint8, and `labels_B` the numbers of their classes where the networks have classes;
        `index` counts the steps from 1, and every random number comes from `stream`. Several processes get the same
        batch, of which each takes its share.
        """
        draws = self._draw(x_BCHW, stream, labels_B)
        self._set_rates(index)
        slopes = index % self.recipe.slope_every_steps == 0
        at_once = self.grid == 1 and self.images_at_once >= len(x_BCHW) and self.processes.count == 1
        if self.step_kind == "joint" or at_once:
            losses = self._joint_step(to_float(x_BCHW), draws, slopes)
        else:
            losses = self._region_wise_step(x_BCHW, draws, slopes)
        self._average(index)
        return losses

    def _draw(self, x_BCHW: Tensor, stream: torch.Generator, labels_B: Tensor | None) -> _Draws:
        batch, config = len(x_BCHW), self.trained.config
        return _Draws(
            z_BZ=torch.randn(batch, config.latent_size, generator=stream).to(x_BCHW.device),
            windows=draw_windows(config.image_size_px, stream),
            noise_seeds=torch.randint(2**62, (batch,), generator=stream).tolist(),
            labels_B=labels_B,
        )

    def _set_rates(self, index: int) -> None:
        rate, recipe = self.recipe.rate(index), self.recipe
        for name, optimizer in self.optimizers.items():
            base = recipe.learning_rate if name == "G" else recipe.judge_learning_rate
            optimizer.param_groups[0]["lr"] = rate * base

    def _joint_step(self, x_BCHW: Tensor, draws: _Draws, slopes: bool) -> dict[str, Tensor]:
        x_BCHW = x_BCHW.contiguous(memory_format=torch.channels_last)
        with self._precision():
            fake_BCHW = self.trained(draws.z_BZ, draws.labels_B).to(x_BCHW)
        with updated(self.optimizers["D"], self.optimizers["FD"]):
            real, judged = self._judge_losses(x_BCHW, fake_BCHW.detach(), draws, slopes)
            _backward(judged["D"] + judged["FD"])
        with frozen(self.region_judge, self.full_judge), updated(self.optimizers["G"]):
            adversarial = self._adversarial_loss(fake_BCHW, real, draws)
            energy = self._energy(shrunk(fake_BCHW), shrunk(x_BCHW), draws)
            _backward(adversarial + self.recipe.energy_weight * energy)
        losses = judged | {"G": adversarial, "energy": energy}
        return {name: loss.detach() for name, loss in losses.items()}

    def _region_wise_step(self, x_BCHW: Tensor, draws: _Draws, slopes: bool) -> dict[str, Tensor]:
        with self._precision():
            trunk = self.trained.trunk(draws.z_BZ, draws.labels_B)
        parts = self._parts(x_BCHW, draws, trunk)
        with updated(self.optimizers["D"], self.optimizers["FD"]):
            judged = [self._learn_judges(part, slopes) for part in parts]
            self.processes.add_up_gradients(self.region_judge, self.full_judge)
        energy, pulls = self._energy_gradient(judged, draws)
        with frozen(self.region_judge, self.full_judge), updated(self.optimizers["G"]):
            adversarial = [self._learn_tiles(*of_part) for of_part in zip(parts, judged, pulls, strict=True)]
            gradients = zip(*(map(_gathered, part.trunk) for part in parts), strict=True)
            torch.autograd.backward(trunk, [self.processes.among_zeros(torch.cat(of_part)) for of_part in gradients])
            self.processes.add_up_gradients(self.trained)
        losses = {name: torch.stack([part.losses[name] for part in judged]).sum() for name in judged[0].losses}
        losses["G"] = torch.stack(adversarial).sum()
        return self.processes.add_up(losses) | {"energy": energy}

    def _parts(self, x_BCHW: Tensor, draws: _Draws, trunk: Trunk) -> list[_Part]:
        batch, size = len(x_BCHW), self.images_at_once
        own = self.processes.share(batch)
        slices = [slice(first, min(first + size, own.stop)) for first in range(own.start, own.stop, size)]
        return [
            _Part(x_BCHW[some], draws.part(some), _cut_off(trunk, some), (some.stop - some.start) / batch)
            for some in slices
        ]

    def _learn_judges(self, part: _Part, slopes: bool) -> _Judged:
        """Add the gradient of some images to the judges' weights."""
        x_BCHW = to_float(part.x_BCHW).contiguous(memory_format=torch.channels_last)
        fake_BCHW = self._rendered(part.trunk)
        real, losses = self._judge_losses(x_BCHW, fake_BCHW, part.draws, slopes)
        _backward(part.share * (losses["D"] + losses["FD"]))
        shares = {name: part.share * loss.detach() for name, loss in losses.items()}
        return _Judged(shares, real, shrunk(fake_BCHW), shrunk(x_BCHW))

    def _energy_gradient(self, judged: list[_Judged], draws: _Draws) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Return the energy distance of the step's images, and by parts the gradient of its share in G's loss."""
        own_fake_BCHW = torch.cat([part.shrunk_fake_BCHW for part in judged])
        own_real_BCHW = torch.cat([part.shrunk_real_BCHW for part in judged])
        fake_BCHW, real_BCHW = map(self.processes.of_all, (own_fake_BCHW, own_real_BCHW))
        energy = self._energy(fake_BCHW.requires_grad_(), real_BCHW, draws)
        (pull_BCHW,) = torch.autograd.grad(self.recipe.energy_weight * energy, fake_BCHW)
        own_pull_BCHW = pull_BCHW[self.processes.share(len(fake_BCHW))]
        return energy.detach(), torch.split(own_pull_BCHW, self.images_at_once)

    def _learn_tiles(self, part: _Part, judged: _Judged, pull_BCHW: Tensor) -> Tensor:
        """Add the gradient of some images to the weights of G's tile levels and to its trunk; return their loss."""
        fake_BCHW = self._rendered(part.trunk).requires_grad_()
        loss = part.share * self._adversarial_loss(fake_BCHW, judged.real, part.draws)
        (gradient_BCHW,) = torch.autograd.grad(loss + (shrunk(fake_BCHW) * pull_BCHW).sum(), fake_BCHW)
        del fake_BCHW
        for region in range(self.grid**2):
            with self._precision():
                tile_BCHW = self.trained.tile(part.trunk, *divmod(region, self.grid), self.grid)
            tile_BCHW.backward(psi(gradient_BCHW, region, self.grid).to(tile_BCHW))  # type: ignore[no-untyped-call]
        return loss.detach()

    @torch.no_grad()
    def _rendered(self, trunk: Trunk) -> Tensor:
        with self._precision():
            return self.trained.render(trunk, self.grid).to(next(self.trained.parameters()))

    def _verdicts(self, x_BCHW: Tensor, draws: _Draws) -> dict[str, Tensor]:
        """Return FD's logits, B, and D's, B for each window one after the other."""
        run = _remade if self.step_kind == "region_wise" and self.grid > 1 else _plainly
        with self._precision():
            full_B = run(self.full_judge, x_BCHW, draws.labels_B)
            of_windows = [run(self.region_judge, window.of(x_BCHW), window, draws.labels_B) for window in draws.windows]
        return {"FD": full_B.to(x_BCHW), "D": torch.cat(of_windows).to(x_BCHW)}

    def _judge_losses(
        self, x_BCHW: Tensor, fake_BCHW: Tensor, draws: _Draws, slopes: bool
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Return the logits of real images, without their graph, and the loss of each judge."""
        real, fake = self._verdicts(x_BCHW, draws), self._verdicts(fake_BCHW, draws)
        losses = {name: softplus(fake[name] - real[name]).mean() for name in real}
        if slopes:
            noisy = self._verdicts(_noisy(x_BCHW, draws.noise_seeds), draws)
            weight = self.recipe.slope_weight / 2 * self.recipe.slope_every_steps
            for name, loss in losses.items():
                losses[name] = loss + weight * ((noisy[name] - real[name]) / NOISE).square().mean()
        return {name: logits.detach() for name, logits in real.items()}, losses

    def _adversarial_loss(self, fake_BCHW: Tensor, real: dict[str, Tensor], draws: _Draws) -> Tensor:
        fake = self._verdicts(fake_BCHW, draws)
        return torch.stack([softplus(real[name] - fake[name]).mean() for name in real]).sum()

    def _energy(self, fake_BCHW: Tensor, real_BCHW: Tensor, draws: _Draws) -> Tensor:
        return image_energy(fake_BCHW, real_BCHW, draws.labels_B, self.trained.config.classes)

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


def _plainly(judge: nn.Module, *inputs: object) -> Tensor:
    logits_B: Tensor = judge(*inputs)
    return logits_B


def _remade(judge: nn.Module, *inputs: object) -> Tensor:
    """Return the judge's logits; its insides are not kept but computed again for the gradient (arXiv:1604.06174).

    A judge of large images takes more memory than a tile, and up to three of its verdicts wait for their gradient.
    """
    logits_B: Tensor = checkpoint(judge, *inputs, use_reentrant=False, preserve_rng_state=False)
    return logits_B


def _cut_off(trunk: Trunk, chosen: slice) -> Trunk:
    return Trunk(*(values[chosen].detach().requires_grad_() for values in trunk))


def _gathered(leaf: Tensor) -> Tensor:
    return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad


def _backward(loss: Tensor) -> None:
    loss.backward()  # type: ignore[no-untyped-call]


def _noisy(x_BCHW: Tensor, seeds: list[int]) -> Tensor:
    """Return images with Gaussian noise that each one's seed determines.

    E[((D(x + s n) - D(x)) / s)^2] = |grad D(x)|^2 + O(s^2): R1 without a second derivative (Lin et al. 2025,
    arXiv:2501.08316, section 3.4).
    """
    noises = [torch.randn(x_BCHW.shape[1:], generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    noise_BCHW = noises[0][None] if len(noises) == 1 else torch.stack(noises)
    return noise_BCHW.to(x_BCHW).mul_(NOISE).add_(x_BCHW)
