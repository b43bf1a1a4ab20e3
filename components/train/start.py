"""Weights to start from, in place of random ones: of a generator, or of another training's checkpoint."""

from pathlib import Path
from typing import NamedTuple

from torch import Tensor, nn

from ..artifacts.generator import CARD, SEEN, WEIGHTS, load_card, load_generator
from ..core.errors import UserError
from ..core.files import sha256_of_file
from ..core.log import logger
from .checkpoints import FILE_NAME, content_of
from .variants import Training

GENERATORS = ("G", "EMA")
"""Networks that take the weights of a generator. The discriminators are not part of it."""
OF_THE_DATA = ("kind_shares_K", "class_of_kind_K")
"""What a generator knows of its training images. The new images decide it anew."""
KIND_CODES = "kind_codes.weight"
"""One row for each kind. Another data set may have another number of kinds."""


class Start(NamedTuple):
    """What a training started from."""

    sha256: str
    """Digest of the file of the weights; empty for random ones."""
    seen: list[str] | None
    """`packages.photographs` that the weights were trained with. None if that is not known."""


RANDOM = Start("", [])


def check_start(place: str, generator: Path) -> None:
    """Raise a UserError if weights to start from lay where the training writes its generator, and DVC deleted them."""
    inside = place and Path(place).resolve().is_relative_to(generator.resolve())
    if inside and not (generator / CARD).is_file():
        raise UserError(
            f"train.start_from: {place}: this training writes its generator there, and DVC deletes the old one first: "
            f"copy that elsewhere (`dvc checkout {generator}` brings it back), or name a registered version, "
            "such as models:/bga-generator/3"
        )


def started(training: Training, folder: Path) -> Start:
    """Give a training the weights in a folder, which holds a generator or a checkpoint; return what they are.

    Networks that are not there, and Adam's moments, stay as they are. Raises UserError for a folder that holds neither,
    for damaged files, and for networks of other shapes.
    """
    if (folder / CARD).is_file():
        file, weights = folder / WEIGHTS, dict.fromkeys(GENERATORS, load_generator(folder).state_dict())
        seen = load_card(folder).get(SEEN)
    elif (folder / FILE_NAME).is_file():
        file = folder / FILE_NAME
        try:
            weights, seen = content_of(file)
        except (OSError, ValueError) as error:
            raise UserError(f"train.start_from: {file}: damaged ({error})") from error
    else:
        neither = f"neither a generator ({CARD}) nor a checkpoint ({FILE_NAME})"
        raise UserError(f"train.start_from: {folder}: {neither}{_those_in(folder)}")
    taken = [name for name in training.networks if name in weights]
    for name in taken:
        _load(training.networks[name], weights[name], f"train.start_from: {file}: network {name}")
    logger("train").info("starting from %s (networks %s)", file, ", ".join(taken))
    return Start(sha256_of_file(file), seen)


def _those_in(folder: Path) -> str:
    """Return the end of a message: which folders in a folder a training could start from, the newest first."""
    found = sorted(
        (file for name in (CARD, FILE_NAME) for file in folder.glob(f"*/{name}")),
        key=lambda file: file.stat().st_mtime,
        reverse=True,
    )
    return f"; name one of its folders: {', '.join(file.parent.name for file in found)}" if found else ""


def _load(network: nn.Module, weights: dict[str, Tensor], where: str) -> None:
    own = network.state_dict()
    weights = weights | {key: own[key] for key in OF_THE_DATA if key in own}
    if KIND_CODES in own and KIND_CODES in weights and len(own[KIND_CODES]) != len(weights[KIND_CODES]):
        logger("train").info("%s: %d kinds there, %d here: their codes are new", where, *_kinds(weights, own))
        weights[KIND_CODES] = own[KIND_CODES]
    try:
        network.load_state_dict(weights)
    except RuntimeError as error:
        first = str(error).splitlines()[1].strip()
        raise UserError(f"{where} is of another variant, image size, width, or number of classes: {first}") from error


def _kinds(*weights: dict[str, Tensor]) -> tuple[int, ...]:
    return tuple(len(found[KIND_CODES]) for found in weights)
