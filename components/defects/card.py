"""A trained defect model as files. No pickle.

`defects.safetensors` holds the weights, `defects.png` is a sheet of defects, and `defects.json` is everything else.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from fabgan.model.defects.networks import DefectConfig, DefectGenerator

from ..artifacts.tensors import check_weights, load_weights
from ..core.errors import OtherVersionError, UserError
from ..core.files import read_json, sha256_of_file, write_json
from ..core.parameters import parameters, parse
from ..measures.gains import Gain
from .fitting import Fitter
from .pasting import pasted
from .pool import Paint

WEIGHTS = "defects.safetensors"
CARD = "defects.json"
SHEET = "defects.png"
FORMAT = 1
PASTED: Literal["pasted"] = "pasted"
FITTED: Literal["fitted"] = "fitted"
NONE: Literal["none"] = "none"


@parameters
class JudgedKind:
    """A kind of defect, and which images of it help an inspection model."""

    kind: str
    annotated: int
    """Number of defects in the training images."""
    held_out: int
    """Number of held-out packages whose first defect is of this kind."""
    classical: float | None
    """Average precision without made defects, as the mean over the runs. None if no held-out package can judge."""
    gains: dict[str, Gain]
    """In average precision, by method. Empty if no held-out package can judge. Their intervals cover the chance in
    training and in making defects, not the choice of packages."""
    method: Literal["none", "pasted", "fitted"]
    """The method with the largest gain whose interval lies above 0."""


@parameters
class DefectCard:
    """What is known of a trained defect model."""

    format: int
    config: DefectConfig
    kinds: list[str]
    weights_sha256: str
    packages_sha256: str
    size_px: int
    steps: int
    runs: int
    seed: int
    judged: list[JudgedKind]
    confirmed: dict[str, Gain]
    """What images made as recommended add, in other runs than those that chose: in `auc` and in `recall`."""


@dataclass(frozen=True)
class Method:
    """How defects of a kind are made."""

    name: str
    paint: Paint
    useful: bool = True
    """Whether an inspection model gained by it."""


def write_card(folder: Path, network: DefectGenerator, facts: Mapping[str, object]) -> DefectCard:
    """Write the card of a network whose weights are in the folder; its other fields are `facts`. Return it."""
    digest = sha256_of_file(folder / WEIGHTS)
    content = {"format": FORMAT, "config": asdict(network.config), "weights_sha256": digest, **facts}
    card = parse(DefectCard, content, CARD)
    write_json(folder / CARD, asdict(card))
    return card


def load_card(folder: Path) -> DefectCard:
    """Return the card of a model. Raises UserError if it is damaged, OtherVersionError for another format."""
    content = read_json(folder / CARD)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise OtherVersionError(f"{folder / CARD}: not the card of a defect model that this version can build")
    return parse(DefectCard, content, str(folder / CARD))


def methods_of(folder: Path | None, kinds: list[str]) -> dict[str, Method]:
    """Return how to make each of some kinds, as a model recommends. Without a model, and if not recommended: pasted.

    Raises UserError for missing or damaged files, and for a model of other kinds.
    """
    if folder is None:
        return dict.fromkeys(kinds, Method(PASTED, pasted))
    card, weights = load_card(folder), folder / WEIGHTS
    if card.kinds != kinds:
        raise UserError(f"{folder}: knows the kinds {', '.join(card.kinds)}, but the packages have {', '.join(kinds)}")
    check_weights(weights, card.weights_sha256, CARD)
    network = DefectGenerator(card.config)
    load_weights(network, weights)
    fitter = Fitter(network, kinds)
    made = {PASTED: Method(PASTED, pasted), FITTED: Method(FITTED, fitter), NONE: Method(PASTED, pasted, useful=False)}
    return {judged.kind: made[judged.method] for judged in card.judged}
