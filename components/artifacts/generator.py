"""Generators as files: `generator.safetensors` (weights) and `generator.json` (everything else). No pickle.

Dimensions: N images, C channels, H W pixels, Z latent.
"""

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from fabgan.model.paper.networks import PaperGenerator
from fabgan.model.pixels import to_uint8
from fabgan.model.seamless.generator import SeamlessGenerator
from fabgan.model.streams import random_stream

from ..core.errors import OtherVersionError
from ..core.files import atomic_folder, json_marker, read_json, sha256_of_file, write_json
from ..core.parameters import parse
from .parallel import in_parallel
from .tensors import check_weights, load_weights, save_tensors

WEIGHTS = "generator.safetensors"
CARD = "generator.json"
FOLDER = json_marker(CARD, "format", "variant", "config", "weights_sha256")
"""What tells the folder of a generator from all others."""
SEEN = "photographs_seen"
"""Key of the card for `packages.photographs` that the weights were trained with, by this training and before.

It is None if they started from weights of which that is not known.
"""
FORMAT = 3
GENERATION_BATCH = 16
GENERATION_PIXELS = 16 * 256 * 256
GOLDEN_RATIO = (5**0.5 - 1) / 2
QUANTILE_MARGIN = 1e-9
"""Minimum distance of quantiles from 0 and 1."""

Generator = PaperGenerator | SeamlessGenerator
GENERATORS: dict[str, type[Generator]] = {"paper": PaperGenerator, "seamless": SeamlessGenerator}
"""The generator of each variant, by the variant's name in the card. `config_type` is the class of its shapes."""


def save_generator(folder: Path, variant: str, generator: Generator, facts: dict[str, Any]) -> None:
    """Write a generator of a variant. Its JSON card holds `facts` and what is needed to rebuild the generator."""
    with atomic_folder(folder, FOLDER) as partial:
        save_tensors(partial / WEIGHTS, generator.state_dict())
        card = {"format": FORMAT, "variant": variant, "config": asdict(generator.config)} | {
            "weights_sha256": sha256_of_file(partial / WEIGHTS),
            **facts,
        }
        write_json(partial / CARD, card)


def load_card(folder: Path) -> dict[str, Any]:
    """Return a generator's JSON card. Raises OtherVersionError for a card of another format."""
    card = read_json(folder / CARD)
    if not isinstance(card, dict) or card.get("format") != FORMAT:
        raise OtherVersionError(f"{folder / CARD}: not the card of a generator that this version can build")
    return card


def load_generator(folder: Path) -> Generator:
    """Return a generator ready to generate images.

    Raises UserError for missing or damaged files, and OtherVersionError for networks of another version.
    """
    card = load_card(folder)
    weights = folder / WEIGHTS
    check_weights(weights, card.get("weights_sha256"), CARD)
    generator = _untrained(str(card.get("variant")), card.get("config", {}), str(folder / CARD))
    load_weights(generator, weights)
    return generator.eval()


def _untrained(variant: str, config: object, where: str) -> Generator:
    """Return a generator of a variant from its shapes as JSON holds them.

    Raises OtherVersionError for an unknown variant, and UserError for impossible shapes.
    """
    if variant not in GENERATORS:
        raise OtherVersionError(f"{where}: this version of fabgan cannot build the variant {variant!r}")
    generator_type = GENERATORS[variant]
    return generator_type(parse(generator_type.config_type, config, where, "config"))  # type: ignore[arg-type]


class Latents(NamedTuple):
    """The random numbers that determine images."""

    z_NZ: Tensor
    """Values from N(0, 1)."""
    quantiles_N: Tensor
    """Numbers in (0, 1), float64. They choose the kind of each image (`SeamlessGenerator.kinds_of`)."""


def latents(count: int, latent_size: int, seed: int, first: int = 0) -> Latents:
    """Return the latents first .. first + count - 1 of a seed.

    Latent i depends on (seed, i) alone, so image i is the same whatever the number of images. Quantiles are an additive
    recurrence (Niederreiter 1992, doi:10.1137/1.9781611970081). So each kind has nearly its share in any run of images.
    Random quantiles would need thousands of images for that. Everything else is drawn at random.
    """
    indices = range(first, first + count)
    z_NZ = torch.stack([torch.randn(latent_size, generator=random_stream(seed, "latent", index)) for index in indices])
    offset = torch.rand((), generator=random_stream(seed, "latent"), dtype=torch.float64)
    quantiles_N = torch.frac(offset + GOLDEN_RATIO * torch.arange(first, first + count, dtype=torch.float64))
    return Latents(z_NZ, quantiles_N.clamp(QUANTILE_MARGIN, 1 - QUANTILE_MARGIN))


def origins(generator: Generator, count: int, seed: int, classes: Sequence[str]) -> dict[str, list[str]]:
    """Return the kind of each of the first images of a seed, and its class if there are `classes`.

    It is empty for a generator of a single kind.
    """
    if not isinstance(generator, SeamlessGenerator) or generator.config.kinds == 1:
        return {}
    quantiles_N = latents(count, generator.config.latent_size, seed).quantiles_N
    kinds_N = generator.kinds_of(quantiles_N.to(generator.kind_shares_K.device))
    found = {"kind": [f"{kind + 1:02d}" for kind in kinds_N.tolist()]}
    if classes:
        found["class"] = [classes[number] for number in generator.class_of_kind_K[kinds_N].tolist()]
    return found


def generate(generator: Generator, count: int, seed: int, label: int | None = None, first: int = 0) -> Iterator[Tensor]:
    """Yield images first .. first + count - 1, C x H x W uint8. Image i depends only on the weights, the seed and i.

    With `label`, all images are of that class, if the generator has classes. Otherwise each class is as frequent as in
    training. Every batch is full, and image i is always in the same batch. In another batch, a different convolution
    algorithm could round differently.
    """
    device = next(generator.parameters()).device
    pixels = generator.config.image_size_px**2
    batch = max(min(GENERATION_BATCH, GENERATION_PIXELS // pixels), 1)

    @torch.inference_mode()
    def batch_from(start: int) -> Tensor:
        z_BZ, quantiles_B = latents(batch, generator.config.latent_size, seed, start)
        return to_uint8(generator.sample(z_BZ.to(device), quantiles_B.to(device), label)).cpu()

    starts = range(first - first % batch, first + count, batch)
    for start, x_BCHW in zip(
        starts, in_parallel(batch_from, starts, lambda _: batch * pixels, gpu=device.type == "cuda"), strict=True
    ):
        yield from x_BCHW[max(first - start, 0) : first + count - start]
