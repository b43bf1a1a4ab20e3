"""Generators as files: `generator.safetensors` (weights) and `generator.json` (everything else). No pickle.

Dimensions: N images, C channels, H W pixels, Z latent.
"""

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor

from components.errors import OtherVersionError, UserError
from components.files import atomic_folder, read_json, sha256_of_file, write_json
from components.tensors import save_tensors
from components.variants import Generator, new_generator, variant_of
from model.pixels import to_uint8
from model.seamless import SeamlessGenerator
from model.streams import random_stream

WEIGHTS = "generator.safetensors"
CARD = "generator.json"
FORMAT = 3
GENERATION_BATCH = 16
GENERATION_PIXELS = 16 * 256 * 256
GOLDEN_RATIO = (5**0.5 - 1) / 2
MOST_UNLIKELY = 1e-9
"""A quantile so near to 0 or 1 is 6 standard deviations away, and still finite."""


def save_generator(folder: Path, generator: Generator, facts: dict[str, Any]) -> None:
    """Write a generator; `facts` go into its JSON card beside what is needed to build it again."""
    with atomic_folder(folder, CARD) as partial:
        save_tensors(partial / WEIGHTS, generator.state_dict())
        card = {"format": FORMAT, "variant": variant_of(generator), "config": asdict(generator.config)} | {
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
    generator = new_generator(str(card.get("variant")), card.get("config", {}), str(folder / CARD))
    try:
        generator.load_state_dict(load_file(weights))
    except RuntimeError as error:
        message = f"{weights}: not of networks that this version builds; use the version that made it"
        raise OtherVersionError(message) from error
    return generator.eval()


def untrained_generator(like: Generator, seed: int) -> Generator:
    """Return a generator of the same variant and shapes as it is before its first training step."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return type(like)(like.config).eval()  # type: ignore[arg-type]


def latents(count: int, latent_size: int, seed: int, first: int = 0) -> Tensor:
    """Return the latents first .. first + count - 1 of a seed, N x Z, from N(0, 1).

    Latent i depends on (seed, i) alone, so that image i is the same whatever the number of images. The first values,
    which choose kinds, are quantiles at an additive recurrence (Niederreiter 1992, doi:10.1137/1.9781611970081): in a
    run of images each kind has nearly its share, for which random ones take thousands. All else is drawn at random.
    """
    indices = range(first, first + count)
    z_NZ = torch.stack([torch.randn(latent_size, generator=random_stream(seed, "latent", index)) for index in indices])
    offset = torch.rand((), generator=random_stream(seed, "latent"), dtype=torch.float64)
    evenly_N = torch.frac(offset + GOLDEN_RATIO * torch.arange(first, first + count, dtype=torch.float64))
    z_NZ[:, 0] = torch.special.ndtri(evenly_N.clamp(MOST_UNLIKELY, 1 - MOST_UNLIKELY))
    return z_NZ


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
        z_BZ = latents(batch, generator.config.latent_size, seed, start).to(device)
        if isinstance(generator, SeamlessGenerator):
            images = to_uint8(generator.full_image(z_BZ, generator.kinds_of(z_BZ, label)))
        else:
            images = to_uint8(generator.full_image(z_BZ))
        yield from images[max(first - start, 0) : first + count - start].cpu()
