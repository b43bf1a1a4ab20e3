"""The cases of benchmarks: a variant at an image size and a batch size, with one interface to train and generate.

To add a variant, write one function here and one line in VARIANTS.
Dimensions: B batch, C channels, H W pixels, Z latent.
"""

import argparse
import platform
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from torch import Tensor, nn

from benchmarks.baselines import VARIANTS as BASELINES
from benchmarks.baselines import BaselineTraining, BaselineVariant, published_config
from fabgan.model.optimization import AdamConfig, GradientMode
from fabgan.model.paper.config import PaperConfig
from fabgan.model.paper.training import PaperTraining
from fabgan.model.pixels import to_float
from fabgan.model.seamless.config import SeamlessConfig
from fabgan.model.seamless.recipe import SeamlessRecipe
from fabgan.model.seamless.training import SeamlessTraining
from fabgan.model.streams import random_stream

CHANNELS = 3
SEED = 0
SMALL_PX = 256
ADAM = AdamConfig(learning_rate=2e-4, beta1=0.5, beta2=0.999)
STEPS: tuple[GradientMode, ...] = ("joint", "region_wise")


@dataclass(frozen=True)
class Case:
    """A variant, with the settings of its training."""

    variant: str
    image_size_px: int
    batch: int
    step: str
    steps: int
    """Planned number of training steps. Learning rates may fall towards the last."""
    seed: int = SEED
    kind_shares: tuple[float, ...] = (1.0,)
    """Share of each kind among the training images."""


@dataclass(frozen=True)
class Contestant:
    """Networks on their device, with the functions that benchmarks measure."""

    networks: Mapping[str, nn.Module]
    latent_size: int
    step: Callable[[Tensor, int, Tensor | None], object]
    """One training step: real images (uint8), the step's number from 1, and the images' kinds, used by `seamless`."""
    generator: Callable[[], nn.Module]
    """Return the generator for use after training. Its `sample` makes images from latents."""
    cycle: int = 1
    """Training steps per cycle. One cycle of `seamless` has one step with the R1 penalty."""

    @property
    def parameters(self) -> int:
        """The number of weights of all networks."""
        return sum(weight.numel() for network in self.networks.values() for weight in network.parameters())

    @torch.inference_mode()
    def generate(self, z_BZ: Tensor, quantiles_B: Tensor) -> Tensor:
        """Return full images from latents, B x C x H x W."""
        generator = self.generator().eval()
        images_BCHW: Tensor = generator.sample(z_BZ, quantiles_B)  # type: ignore[operator]
        generator.train()
        return images_BCHW


@dataclass(frozen=True)
class Variant:
    """How to build a variant, and the types of training step that it offers."""

    build: Callable[[Case, torch.device], Contestant]
    steps: tuple[str, ...]


def noise_images(case: Case, device: torch.device) -> Tensor:
    """Return noise, uint8, B x C x H x W. The content of images changes neither time nor memory."""
    shape = (case.batch, CHANNELS, case.image_size_px, case.image_size_px)
    return torch.randint(256, shape, generator=random_stream(SEED, "images"), dtype=torch.uint8).to(device)


def build(case: Case, device: torch.device) -> Contestant:
    """Return the networks of a case on a device."""
    contestant = VARIANTS[case.variant].build(case, device)
    for network in contestant.networks.values():
        network.to(device)
    return contestant


def cases_of(
    variants: Iterable[str], sizes_px: Iterable[int], modes: Iterable[str], batch: int, steps: int
) -> list[Case]:
    """Return the cases in order. A variant that offers none of the `modes` of a training step uses its own."""
    sizes_px, modes = list(sizes_px), list(modes)
    return [
        Case(variant, size_px, batch, mode, steps)
        for size_px in sizes_px
        for variant in variants
        for mode in [mode for mode in modes if mode in VARIANTS[variant].steps] or VARIANTS[variant].steps
    ]


def pick_device(name: str) -> torch.device:
    """Return the named device; `auto` is the GPU if there is one, else the CPU."""
    return torch.device(("cuda" if torch.cuda.is_available() else "cpu") if name == "auto" else name)


def device_name(device: torch.device) -> str:
    """Return the name of a device, and the number of threads on a CPU, which figures depend on."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{_processor_name()}, {torch.get_num_threads()} threads"


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that all benchmarks of training share."""
    parser.add_argument("--batch", type=int, default=8, help="images per training step (default: 8)")
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")


def _processor_name() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _paper(case: Case, _: torch.device) -> Contestant:
    """Build `paper` with the widths of the paper's own setting."""
    config = PaperConfig(
        image_size_px=case.image_size_px,
        channels=CHANNELS,
        latent_size=100,
        embedding_size=16,
        generator_width=64,
        discriminator_width=64,
        full_discriminator_width=16,
    )
    training = PaperTraining(config, ADAM, "non_saturating", case.seed, cast(GradientMode, case.step))
    return _contestant(training, lambda x, index, _: training.step(x, index, _stream(case, index)))


def _baseline(case: Case, device: torch.device) -> Contestant:
    variant = cast(BaselineVariant, case.variant)
    training = BaselineTraining(variant, published_config(variant, case.image_size_px, CHANNELS), ADAM, case.seed)

    def step(x_BCHW: Tensor, index: int, _: Tensor | None) -> object:
        shape = (len(x_BCHW), training.generator.config.latent_size)
        z_BZ = torch.randn(shape, generator=_stream(case, index)).to(device)
        return training.step(to_float(x_BCHW), z_BZ)

    return _contestant(training, step)


def _seamless(case: Case, _: torch.device) -> Contestant:
    """Build `seamless` with fewer features at higher resolutions: two million weights in all at 1024 px."""
    size_px = case.image_size_px
    config = SeamlessConfig(
        image_size_px=size_px,
        channels=CHANNELS,
        latent_size=64,
        generator_width=max(32 * 128 // size_px, 8),
        discriminator_width=32 if size_px <= SMALL_PX else 8,
        full_discriminator_width=32 if size_px <= SMALL_PX else 8,
        feature_cap=64 if size_px <= SMALL_PX else 128,
        kinds=len(case.kind_shares),
    )
    mode, recipe = cast(GradientMode, case.step), SeamlessRecipe(total_steps=case.steps)
    training = SeamlessTraining(config, recipe, case.seed, mode)
    training.trained.kind_shares_K.copy_(torch.tensor(case.kind_shares))
    contestant = _contestant(training, lambda x, index, kinds: training.step(x, index, _stream(case, index), kinds))
    return replace(contestant, cycle=recipe.r1_interval)


def _stream(case: Case, index: int) -> torch.Generator:
    return random_stream(case.seed, "step", index)


def _contestant(
    training: PaperTraining | BaselineTraining | SeamlessTraining, step: Callable[[Tensor, int, Tensor | None], object]
) -> Contestant:
    latent_size = training.generator.config.latent_size
    return Contestant(training.networks, latent_size, step, lambda: training.generator)


VARIANTS: dict[str, Variant] = {
    "paper": Variant(_paper, STEPS),
    "seamless": Variant(_seamless, STEPS),
    **{name: Variant(_baseline, ("joint",)) for name in BASELINES},
}
