"""What benchmarks measure: a variant at a size with a batch, as one thing that trains and generates.

A new variant is one function here and one line in VARIANTS. Dimensions: B batch, C channels, H W pixels, Z latent.
"""

import argparse
import itertools
import platform
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from model.baselines import VARIANTS as BASELINES
from model.baselines import BaselineTraining, BaselineVariant, published_config
from model.paper import GRID, PaperConfig
from model.seamless import SeamlessConfig
from model.seamless_training import SeamlessRecipe, SeamlessTraining
from model.streams import random_stream
from model.training import AdamConfig, StepKind, Training

CHANNELS = 3
SEED = 0
ADAM = AdamConfig(learning_rate=2e-4, beta1=0.5, beta2=0.999)
STEPS: tuple[StepKind, ...] = ("joint", "region_wise")


@dataclass(frozen=True)
class Case:
    """A variant, and how it trains."""

    variant: str
    image_size_px: int
    batch: int
    grid: int
    step: str


@dataclass(frozen=True)
class Contestant:
    """Networks on their device, with the two things they are timed and weighed at."""

    networks: dict[str, nn.Module]
    train: Callable[[], object]
    """One training step on a batch of real images."""
    generate: Callable[[], Tensor]
    """A batch of full images, B x C x H x W, by the generator as it is used after training."""

    @property
    def parameters(self) -> int:
        """Weights of all networks."""
        return sum(weight.numel() for network in self.networks.values() for weight in network.parameters())


@dataclass(frozen=True)
class Variant:
    """How to build a variant, and the kinds of training step it knows."""

    build: Callable[[Case, Tensor], Contestant]
    """From a case and its real images, B x C x H x W float in [-1, 1], on the device to measure."""
    steps: tuple[str, ...]


def real_images(case: Case, device: torch.device) -> Tensor:
    """Return B x C x H x W noise in [-1, 1]: what is shown changes neither time nor memory."""
    shape = (case.batch, CHANNELS, case.image_size_px, case.image_size_px)
    return (torch.rand(shape, generator=random_stream(SEED, "images")) * 2 - 1).to(device)


def build(case: Case, x_BCHW: Tensor) -> Contestant:
    """Return the case's networks on the device of its real images."""
    return VARIANTS[case.variant].build(case, x_BCHW)


def cases_of(
    variants: Iterable[str], sizes_px: Iterable[int], steps: Iterable[str], batch: int, grid: int
) -> list[Case]:
    """Return the cases in order; a variant that knows none of the asked steps trains as it can."""
    sizes_px, steps = list(sizes_px), list(steps)
    return [
        Case(variant, size_px, batch, grid, step)
        for size_px in sizes_px
        for variant in variants
        for step in [step for step in steps if step in VARIANTS[variant].steps] or VARIANTS[variant].steps
    ]


def pick_device(name: str) -> torch.device:
    """Return the named device; `auto` is the GPU where there is one."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def device_name(device: torch.device) -> str:
    """Return what a reader needs to know to compare figures."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor_name()}, {torch.get_num_threads()} threads"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all benchmarks of training share."""
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--grid", type=int, default=GRID, help="regions a side, of variants that let one choose")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda")


def _processor_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _paper(case: Case, x_BCHW: Tensor) -> Contestant:
    """Build the widths of the paper's own setting."""
    if case.grid != GRID:
        raise SystemExit(f"paper: its grid is {GRID} x {GRID}, got --grid {case.grid}")
    config = PaperConfig(
        image_size_px=case.image_size_px,
        channels=CHANNELS,
        latent_size=100,
        embedding_size=16,
        generator_width=64,
        discriminator_width=64,
        full_discriminator_width=16,
    )
    training = Training(config, ADAM, "non_saturating", SEED, cast(StepKind, case.step))
    return _contestant(training, training.update, x_BCHW)


def _baseline(case: Case, x_BCHW: Tensor) -> Contestant:
    variant = cast(BaselineVariant, case.variant)
    training = BaselineTraining(variant, published_config(variant, case.image_size_px, CHANNELS), ADAM, SEED)
    return _contestant(training, training.step, x_BCHW)


def _seamless(case: Case, x_BCHW: Tensor) -> Contestant:
    """Build narrow networks: at 1024 px, three million weights in all."""
    config = SeamlessConfig(
        image_size_px=case.image_size_px,
        channels=CHANNELS,
        latent_size=64,
        generator_width=8,
        discriminator_width=8,
        full_discriminator_width=8,
        feature_cap=128,
    )
    training = SeamlessTraining(config, SeamlessRecipe(), SEED, cast(StepKind, case.step))
    steps = itertools.count(1)
    stream = random_stream(SEED, "steps")
    return _contestant(training, lambda x_BCHW, _: training.step(x_BCHW, next(steps), stream), x_BCHW)


def _contestant(
    training: Training | BaselineTraining | SeamlessTraining, step: Callable[[Tensor, Tensor], object], x_BCHW: Tensor
) -> Contestant:
    z_BZ = torch.randn(len(x_BCHW), training.generator.config.latent_size, generator=random_stream(SEED, "latents")).to(
        x_BCHW.device
    )
    for network in training.networks.values():
        network.to(x_BCHW.device)

    @torch.inference_mode()
    def generate() -> Tensor:
        images_BCHW = training.generator.eval().full_image(z_BZ)
        training.generator.train()
        return images_BCHW

    return Contestant(training.networks, lambda: step(x_BCHW, z_BZ), generate)


VARIANTS: dict[str, Variant] = {
    "paper": Variant(_paper, STEPS),
    "seamless": Variant(_seamless, STEPS),
    **{name: Variant(_baseline, ("joint",)) for name in BASELINES},
}
