"""Generators as files: `generator.safetensors` (weights) and `generator.json` (everything else). No pickle.

Dimensions: N images, C channels, H W pixels, Z latent.
"""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from safetensors.torch import load_file
from torch import Tensor

from fabgan.model.paper.networks import PaperGenerator
from fabgan.model.pixels import to_uint8
from fabgan.model.seamless.generator import SeamlessGenerator
from fabgan.model.streams import random_stream

from ..core.errors import OtherVersionError, UserError
from ..core.files import atomic_folder, read_json, sha256_of_file, write_json
from ..core.parameters import parse
from .tensors import save_tensors

WEIGHTS = "generator.safetensors"
CARD = "generator.json"
FORMAT = 3
GENERATION_BATCH = 16
GENERATION_PIXELS = 16 * 256 * 256
GOLDEN_RATIO = (5**0.5 - 1) / 2
MOST_UNLIKELY = 1e-9
"""Quantiles keep this distance from 0 and 1."""

Generator = PaperGenerator | SeamlessGenerator
GENERATORS: dict[str, type[Generator]] = {"paper": PaperGenerator, "seamless": SeamlessGenerator}
"""The generator of each variant, by the name that its card has. Its `config_type` has its shapes."""


def save_generator(folder: Path, variant: str, generator: Generator, facts: dict[str, Any]) -> None:
    """Write a generator of a variant; `facts` go into its JSON card beside what is needed to build it again."""
    with atomic_folder(folder, CARD) as partial:
        save_tensors(partial / WEIGHTS, generator.state_dict())
        card = {"format": FORMAT, "variant": variant, "config": asdict(generator.config)} | {
            "weights_sha256": sha256_of_file(partial / WEIGHTS),
            **facts,
        }
        write_json(partial / CARD, card)


def load_card(folder: Path) -> dict[str, Any]:
    """Return a generator's JSON card."""
    card = read_json(folder / CARD)
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise OtherVersionError(f"{folder / CARD}: not the card of a generator that this version can build")
    return card


def load_generator(folder: Path) -> Generator:
    """Return a generator ready to generate.

    Missing, damaged or foreign files are a UserError, and those of another version's networks an OtherVersionError.
    """
    card = load_card(folder)
    weights = folder / WEIGHTS
    if not weights.is_file() or sha256_of_file(weights) != card.get("weights_sha256"):
        raise UserError(f"{weights}: missing, or not the weights that {CARD} describes (sha256 differs)")
    generator = _untrained(str(card.get("variant")), card.get("config", {}), str(folder / CARD))
    try:
        generator.load_state_dict(load_file(weights))
    except RuntimeError as error:
        message = f"{weights}: not of networks that this version builds; use the version that made it"
        raise OtherVersionError(message) from error
    return generator.eval()


def _untrained(variant: str, config: object, where: str) -> Generator:
    """Return a generator of a variant from its shapes as JSON holds them.

    An unknown variant is an OtherVersionError, and shapes that are none a UserError.
    """
    if variant not in GENERATORS:
        raise OtherVersionError(f"{where}: variant {variant!r} is not one that this version can build")
    generator_type = GENERATORS[variant]
    return generator_type(parse(generator_type.config_type, config, where, "config"))  # type: ignore[arg-type]


def untrained_generator(like: Generator, seed: int) -> Generator:
    """Return a generator of the same variant and shapes as it is before its first training step."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return type(like)(like.config).eval()  # type: ignore[arg-type]


class Latents(NamedTuple):
    """What images are made of."""

    z_NZ: Tensor
    """Values from N(0, 1)."""
    quantiles_N: Tensor
    """Which kind each image is of: the one in whose share of all images this number, in (0, 1), lies; float64."""


def latents(count: int, latent_size: int, seed: int, first: int = 0) -> Latents:
    """Return the latents first .. first + count - 1 of a seed.

    Latent i depends on (seed, i) alone, so that image i is the same whatever the number of images. Quantiles are an
    additive recurrence (Niederreiter 1992, doi:10.1137/1.9781611970081): in a run of images each kind has nearly its
    share, for which random ones take thousands. All else is drawn at random.
    """
    indices = range(first, first + count)
    z_NZ = torch.stack([torch.randn(latent_size, generator=random_stream(seed, "latent", index)) for index in indices])
    offset = torch.rand((), generator=random_stream(seed, "latent"), dtype=torch.float64)
    evenly_N = torch.frac(offset + GOLDEN_RATIO * torch.arange(first, first + count, dtype=torch.float64))
    return Latents(z_NZ, evenly_N.clamp(MOST_UNLIKELY, 1 - MOST_UNLIKELY))


@torch.inference_mode()
def generate(generator: Generator, count: int, seed: int, label: int | None = None, first: int = 0) -> Iterator[Tensor]:
    """Yield images first .. first + count - 1, C x H x W uint8; image i depends on the weights, the seed and i alone.

    With `label`, all are of that class of a generator with classes; else each is as frequent as in training.
    Every batch is full, and image i always has the same neighbours: another batch may be computed by another
    convolution algorithm and round otherwise.
    """
    device = next(generator.parameters()).device
    batch = max(min(GENERATION_BATCH, GENERATION_PIXELS // generator.config.image_size_px**2), 1)
    for start in range(first - first % batch, first + count, batch):
        z_BZ, quantiles_B = latents(batch, generator.config.latent_size, seed, start)
        images = to_uint8(generator.sample(z_BZ.to(device), quantiles_B.to(device), label))
        yield from images[max(first - start, 0) : first + count - start].cpu()
