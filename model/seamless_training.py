"""One training step of the seamless model: both judges, then G, at the memory of one view of a few images.

Judges see views of an image: FD its coarse image, D windows of it at its own resolution. G minimises, over its images
y, real images x and their views,

    E[softplus(FD(x) - FD(y)) + softplus(D(x) - D(y)) + w * energy score(y, y', x)]

and the judges the first two terms with their signs turned, plus R1. The pairing of a real with a generated image is the
relativistic loss of Jolicoeur-Martineau 2018, arXiv:1807.00734. The energy score (model/energy.py), of y and of its
twin y', which is of the same kind, tells G from the first step on where things lie and how packages differ from each
other, which the judges take long to learn. Of detail, no more is ever made than the windows show: a step takes the same
time and memory at any image size (layout once, detail by windows: Chai et al. 2022, arXiv:2204.07156).

`joint` keeps the whole step's graph. `region_wise` goes a few images and one view at a time: the loss is a sum over
views, so each is made, judged and backpropagated by itself (model/region_wise.py has the argument). Only the trunk, of
a few cells, sees the whole batch at once, so both give the same gradients.

Several processes divide the images of a region-wise step (model/processes.py). Each runs the trunk for all images, and
everything else for its own. What reaches the trunk from a process's own images goes back through it with zeros for the
others', and since that is linear, the sum over the processes is the gradient of the whole batch, batch normalisation
included.

Dimensions: B batch, C channels, H W pixels, F features, Z latent.
"""

import copy
from collections.abc import Iterator
from dataclasses import replace

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus

from model.energy import image_energy
from model.pixels import shrunk, to_float
from model.processes import ALONE, Processes
from model.seamless import SeamlessConfig, SeamlessGenerator, Trunk
from model.seamless_judges import FullJudge, RegionJudge, draw_windows
from model.seamless_parts import Draws, Judged, Made, Part, View
from model.seamless_recipe import SeamlessRecipe
from model.streams import random_stream
from model.training import StepKind, frozen, updated

IMAGES_AT_ONCE = 16
NOISE = 0.05
"""Standard deviation of the noise by which the judges' slopes are measured."""


class SeamlessTraining:
    """The three networks, their optimizers, and the step that trains them."""

    def __init__(
        self,
        config: SeamlessConfig,
        recipe: SeamlessRecipe,
        seed: int,
        step_kind: StepKind = "region_wise",
        images_at_once: int = IMAGES_AT_ONCE,
        bfloat16: bool = False,
        processes: Processes = ALONE,
    ) -> None:
        """Build the networks; region-wise, a step holds one view of at most `images_at_once` images.

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
        self.images_at_once = images_at_once
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
        self, x_BCHW: Tensor, index: int, stream: torch.Generator, kinds_B: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Update D, FD and G once; return their losses, and the energy score.

        `x_BCHW` are real images, uint8, and `kinds_B` the numbers of their kinds, needed where there are several;
        `index` counts the steps from 1, and every random number comes from `stream`. Several processes get the same
        batch, of which each takes its share.
        """
        draws = self._draw(x_BCHW, stream, kinds_B)
        self._set_rates(index)
        slopes = index % self.recipe.slope_every_steps == 0
        z_BZ, twin_z_BZ = draws.z_2BZ
        with self._precision():
            trunk = self.trained.trunk(z_BZ, draws.kinds_B)
            with torch.no_grad():
                twins = self.trained.trunk(twin_z_BZ, draws.kinds_B)
        step = self._joint_step if self.step_kind == "joint" else self._region_wise_step
        losses = step(x_BCHW, draws, trunk, twins, slopes)
        self._average(index)
        return losses

    def _draw(self, x_BCHW: Tensor, stream: torch.Generator, kinds_B: Tensor | None) -> Draws:
        batch, config = len(x_BCHW), self.trained.config
        if kinds_B is None:
            if config.kinds > 1:
                raise ValueError(f"kinds_B: with {config.kinds} kinds, every image needs the number of its own")
            kinds_B = torch.zeros(batch, dtype=torch.int64, device=x_BCHW.device)
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
            base = recipe.learning_rate if name == "G" else recipe.judge_learning_rate
            optimizer.param_groups[0]["lr"] = rate * base

    def _joint_step(self, x_BCHW: Tensor, draws: Draws, trunk: Trunk, twins: Trunk, slopes: bool) -> dict[str, Tensor]:
        whole = self._part(x_BCHW, draws, trunk, twins, slice(0, len(x_BCHW)))
        with updated(self.optimizers["D"], self.optimizers["FD"]):
            judged = [self._judged(whole, view, slopes) for view in draws.views]
            _backward(torch.stack([one.loss for one in judged]).sum())
        with frozen(self.region_judge, self.full_judge), updated(self.optimizers["G"]):
            made = [self._made(whole, one) for one in judged]
            _backward(torch.stack([one.loss(self.recipe.energy_weight) for one in made]).sum())
        return _losses(judged, made)

    def _region_wise_step(
        self, x_BCHW: Tensor, draws: Draws, trunk: Trunk, twins: Trunk, slopes: bool
    ) -> dict[str, Tensor]:
        leaves = Trunk(*(values.detach().requires_grad_() for values in trunk))
        parts = [self._part(x_BCHW, draws, leaves, twins, some) for some in self._own(len(x_BCHW))]
        with updated(self.optimizers["D"], self.optimizers["FD"]):
            judged = [[_learnt(self._judged(part, view, slopes)) for view in draws.views] for part in parts]
            self.processes.add_up_gradients(self.region_judge, self.full_judge)
        with frozen(self.region_judge, self.full_judge), updated(self.optimizers["G"]):
            made = list[Made]()
            for part, of_part in zip(parts, judged, strict=True):
                for one in of_part:
                    made.append(self._made(part, one))
                    _backward(made[-1].loss(self.recipe.energy_weight))
            reached = [(values, leaf.grad) for values, leaf in zip(trunk, leaves, strict=True) if leaf.grad is not None]
            torch.autograd.backward([values for values, _ in reached], [gradient for _, gradient in reached])
            self.processes.add_up_gradients(self.trained)
        return self.processes.add_up(_losses([one for of_part in judged for one in of_part], made))

    def _own(self, batch: int) -> Iterator[slice]:
        """Yield which images of a batch this process works through, a few at a time."""
        its = self.processes.share(batch, self.processes.rank)
        for first in range(its.start, its.stop, self.images_at_once):
            yield slice(first, min(first + self.images_at_once, its.stop))

    def _part(self, x_BCHW: Tensor, draws: Draws, trunk: Trunk, twins: Trunk, some: slice) -> Part:
        """Return some of a batch's images, with what the trunk says of them and of their twins."""
        images = x_BCHW[some]
        return Part(
            x_BCHW=images,
            coarse_BCHW=self._coarse(images),
            noise_seeds=draws.noise_seeds[some],
            labels_B=None if draws.labels_B is None else draws.labels_B[some],
            trunk=Trunk(*(values[some] for values in trunk)),
            twins=Trunk(*(values[some] for values in twins)),
            share=len(images) / len(x_BCHW),
            windows=len(draws.windows),
        )

    def _coarse(self, x_BCHW: Tensor) -> Tensor:
        """Return real images, uint8, as coarse ones, made one after the other: they may be large."""
        size_px = self.trained.config.coarse_px
        dtype = torch.get_default_dtype()
        return torch.cat([to_float(shrunk(x_1CHW.to(dtype), size_px)) for x_1CHW in torch.split(x_BCHW, 1)])

    def _judged(self, part: Part, view: View, slopes: bool) -> Judged:
        """Return a judge's loss on one view."""
        x_BCHW, weight = part.real(view), _weight(part, view)
        with torch.no_grad():
            fake_BCHW = self._shown(part, part.trunk, view).detach()
        real_B = self._logits(x_BCHW, part, view)
        loss = softplus(self._logits(fake_BCHW, part, view) - real_B).mean()
        if slopes:
            noisy_B = self._logits(_noisy(x_BCHW, part.noise_seeds, view), part, view)
            slope = ((noisy_B - real_B) / NOISE).square().mean()
            loss = loss + self.recipe.slope_weight / 2 * self.recipe.slope_every_steps * slope
        return Judged(view, real_B.detach(), weight * loss)

    def _made(self, part: Part, judged: Judged) -> Made:
        """Return G's losses on one view.

        Where images are no more than their coarse ones, windows add nothing to the energy score.
        """
        view, weight = judged.view, _weight(part, judged.view)
        fake_BCHW = self._shown(part, part.trunk, view)
        adversarial = weight * softplus(judged.real_B - self._logits(fake_BCHW, part, view)).mean()
        if view is not None and self.trained.to_detail is None:
            return Made(adversarial, torch.zeros_like(adversarial))
        with torch.no_grad():
            twins_BCHW = self._shown(part, part.twins, view)
        return Made(adversarial, weight * image_energy(fake_BCHW, twins_BCHW, part.real(view)))

    def _shown(self, part: Part, trunk: Trunk, view: View) -> Tensor:
        with self._precision():
            shown_BCHW = trunk.coarse_BCHW if view is None else self.trained.window(trunk, view)
        return shown_BCHW.to(part.coarse_BCHW)

    def _logits(self, x_BCHW: Tensor, part: Part, view: View) -> Tensor:
        x_BCHW, labels_B = x_BCHW.contiguous(memory_format=torch.channels_last), part.labels_B
        with self._precision():
            verdict_B: Tensor = (
                self.full_judge(x_BCHW, labels_B) if view is None else self.region_judge(x_BCHW, view, labels_B)
            )
        return verdict_B.to(part.coarse_BCHW)

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


def _weight(part: Part, view: View) -> float:
    """Return how much the view of some images counts: as much for D's windows together as for FD's one view."""
    return part.share / (1 if view is None else part.windows)


def _losses(judged: list[Judged], made: list[Made]) -> dict[str, Tensor]:
    """Return each network's loss, summed over its views, and the energy score."""
    of_judges = {
        name: torch.stack([one.loss.detach() for one in judged if (one.view is None) == (name == "FD")]).sum()
        for name in ("D", "FD")
    }
    of_G = {
        "G": torch.stack([one.adversarial.detach() for one in made]).sum(),
        "energy": torch.stack([one.energy.detach() for one in made]).sum(),
    }
    return of_judges | of_G


def _learnt(judged: Judged) -> Judged:
    """Add the gradient of a judge's loss to its weights, and let go of its graph."""
    return replace(judged, loss=_backward(judged.loss))


def _backward(loss: Tensor) -> Tensor:
    loss.backward()  # type: ignore[no-untyped-call]
    return loss.detach()


def _noisy(x_BCHW: Tensor, seeds: list[int], view: View) -> Tensor:
    """Return views of images with Gaussian noise that each image's seed and the view determine.

    E[((D(x + s n) - D(x)) / s)^2] = |grad D(x)|^2 + O(s^2): R1 without a second derivative (Lin et al. 2025,
    arXiv:2501.08316, section 3.4).
    """
    noises = [torch.randn(x_BCHW.shape[1:], generator=random_stream(seed, str(view))) for seed in seeds]
    return torch.stack(noises).to(x_BCHW).mul_(NOISE).add_(x_BCHW)
