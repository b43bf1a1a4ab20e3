"""One training step of the seamless model: both judges, then G, at the memory of one tile of a few images.

`joint` keeps the whole step's graph. `region_wise` cuts it into parts, a few images each and inside them tile by
tile, keeps only what enters and leaves a part, and computes the part again when its gradient is due (Chen et al.
2016, arXiv:1604.06174). Only the trunk and the judges' heads, which see the whole batch at once, mix images or tiles,
so both give the same gradients.

Dimensions: B batch, C channels, H W pixels, F features, Z latent.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn.functional import softplus
from torch.utils.checkpoint import checkpoint

from model.augment import Augmentation, draw_augmentation
from model.seamless import SeamlessConfig, SeamlessGenerator, Trunk
from model.seamless_judges import FullJudge, RegionJudge, Window, draw_windows
from model.training import StepKind, frozen

T = TypeVar("T")
TILE_PX = 256
PIXELS_AT_ONCE = 2**18
NOISE = 0.05
"""Standard deviation of the noise by which the judges' slopes are measured."""


@dataclass(frozen=True)
class SeamlessRecipe:
    """How the networks are trained."""

    learning_rate: float = 3e-4
    judge_learning_rate: float = 3e-4
    beta1: float = 0.5
    beta2: float = 0.99
    slope_weight: float = 0.1
    """Gamma of R1 (Mescheder et al. 2018, arXiv:1801.04406): gamma / 2 E|grad D(x)|^2 on real images."""
    slope_every_steps: int = 8
    ema_decay: float = 0.999
    colour: float = 0.0
    """Strength of the colour augmentation, 1 as published. Lots differ in colour: judges must see it."""

    def adam(self, network: nn.Module, learning_rate: float) -> torch.optim.Adam:
        """Return the optimizer of one network."""
        return torch.optim.Adam(network.parameters(), lr=learning_rate, betas=(self.beta1, self.beta2))


@dataclass(frozen=True)
class _Draws:
    """Every random number of a step."""

    z_BZ: Tensor
    augmentation: Augmentation
    windows: tuple[Window, ...]
    noise_seeds: list[int]


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
    ) -> None:
        """Build the networks; region-wise, a step holds one tile of a grid x grid grid of `images_at_once` images.

        Without those two, tiles have `TILE_PX` a side and the images that are held have `PIXELS_AT_ONCE` in all.
        """
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.trained = SeamlessGenerator(config)
            self.region_judge = RegionJudge(config)
            self.full_judge = FullJudge(config)
        self.recipe, self.step_kind = recipe, step_kind
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

    def step(self, x_BCHW: Tensor, index: int, stream: torch.Generator) -> dict[str, Tensor]:
        """Update D, FD and G once; return their losses.

        `x_BCHW` are real images in [-1, 1], `index` counts the steps from 1, and every random number comes from
        `stream`.
        """
        draws = self._draw(len(x_BCHW), stream)
        fakes = self._fakes(draws.z_BZ)
        real = self._verdicts(lambda part: x_BCHW[part], draws)
        losses = self._judge_losses(real, self._verdicts(fakes, draws, learning=False))
        if index % self.recipe.slope_every_steps == 0:
            noisy = self._verdicts(lambda part: _noisy(x_BCHW[part], draws.noise_seeds[part]), draws)
            losses = {name: loss + self._slope_penalty(real[name], noisy[name]) for name, loss in losses.items()}
        self._update(losses["D"] + losses["FD"], "D", "FD")
        with frozen(self.region_judge, self.full_judge):
            losses["G"] = self._generator_loss(real, self._verdicts(fakes, draws))
            self._update(losses["G"], "G")
        self._average(index)
        return {name: loss.detach() for name, loss in losses.items()}

    def _draw(self, batch: int, stream: torch.Generator) -> _Draws:
        config = self.trained.config
        return _Draws(
            z_BZ=torch.randn(batch, config.latent_size, generator=stream),
            augmentation=draw_augmentation(batch, config.image_size_px, stream, self.recipe.colour),
            windows=draw_windows(config.image_size_px, stream),
            noise_seeds=torch.randint(2**62, (batch,), generator=stream).tolist(),
        )

    def _judge_losses(self, real: dict[str, Tensor], fake: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: softplus(fake[name] - real[name]).mean() for name in real}

    def _slope_penalty(self, real: Tensor, noisy: Tensor) -> Tensor:
        weight = self.recipe.slope_weight / 2 * self.recipe.slope_every_steps
        return weight * ((noisy - real) / NOISE).square().mean()

    def _generator_loss(self, real: dict[str, Tensor], fake: dict[str, Tensor]) -> Tensor:
        return torch.stack([softplus(real[name].detach() - fake[name]).mean() for name in real]).sum()

    def _verdicts(self, images: Callable[[slice], Tensor], draws: _Draws, learning: bool = True) -> dict[str, Tensor]:
        """Return FD's logits, B, and D's, B for each window one after the other, of augmented images."""

        def stems(part: slice) -> tuple[Tensor, ...]:
            run = _remade if self._divided(len(draws.z_BZ)) else _plainly
            with torch.set_grad_enabled(learning and torch.is_grad_enabled()):
                seen = images(part)
            seen = draws.augmentation[part](seen)
            windows = (run(self.region_judge.features, window.of(seen), window) for window in draws.windows)
            return (run(self.full_judge.features, seen), *windows)

        of_parts = self._by_parts(stems, len(draws.z_BZ))
        full, *windows = (torch.cat(features) for features in zip(*of_parts, strict=True))
        return {"FD": self.full_judge.verdict(full), "D": torch.cat([self.region_judge.verdict(w) for w in windows])}

    def _fakes(self, z_BZ: Tensor) -> Callable[[slice], Tensor]:
        """Return what gives some of the step's generated images: from memory, or region-wise made anew."""
        trunk = self.trained.trunk(z_BZ)
        if self._divided(len(z_BZ)):
            return lambda part: self._render(trunk, part)
        images_BCHW = self.trained.tile(trunk, 0, 0, 1)
        return lambda part: images_BCHW[part]

    def _render(self, trunk: Trunk, part: slice) -> Tensor:
        some, grid = Trunk(*(values[part] for values in trunk)), self.grid

        def row_of_tiles(row: int) -> Tensor:
            return torch.cat([_remade(self.trained.tile, some, row, column, grid) for column in range(grid)], dim=-1)

        return torch.cat([row_of_tiles(row) for row in range(grid)], dim=-2)

    def _divided(self, batch: int) -> bool:
        """Return whether this step goes by parts; a small one that fits whole is the joint one."""
        return self.step_kind == "region_wise" and (self.grid > 1 or self.images_at_once < batch)

    def _by_parts(self, function: Callable[[slice], T], batch: int) -> list[T]:
        if not self._divided(batch):
            return [function(slice(batch))]
        size = self.images_at_once
        return [_remade(function, slice(first, min(first + size, batch))) for first in range(0, batch, size)]

    def _update(self, loss: Tensor, *names: str) -> None:
        for name in names:
            self.optimizers[name].zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        for name in names:
            self.optimizers[name].step()

    @torch.no_grad()
    def _average(self, index: int) -> None:
        decay = min(self.recipe.ema_decay, index / (index + 10))
        for average, weight in zip(self.averaged.parameters(), self.trained.parameters(), strict=True):
            average.lerp_(weight, 1 - decay)
        for kept, statistic in zip(self.averaged.buffers(), self.trained.buffers(), strict=True):
            kept.copy_(statistic)


def _plainly(function: Callable[..., T], *inputs: object) -> T:
    return function(*inputs)


def _remade(function: Callable[..., T], *inputs: object) -> T:
    """Return the function's value; its insides are not kept but computed again for the gradient."""
    if not torch.is_grad_enabled():
        return function(*inputs)
    value: T = checkpoint(function, *inputs, use_reentrant=False, preserve_rng_state=False)
    return value


def _noisy(x_BCHW: Tensor, seeds: list[int]) -> Tensor:
    """Return images with Gaussian noise that each one's seed determines.

    E[((D(x + s n) - D(x)) / s)^2] = |grad D(x)|^2 + O(s^2): R1 without a second derivative (Lin et al. 2025,
    arXiv:2501.08316, section 3.4).
    """
    noises = [torch.randn(x_BCHW.shape[1:], generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    noise_BCHW = noises[0][None] if len(noises) == 1 else torch.stack(noises)
    return noise_BCHW.to(x_BCHW).mul_(NOISE).add_(x_BCHW)
