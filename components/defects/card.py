"""A trained defect model as files. No pickle.

`defects.safetensors` holds the weights, `defects.png` is a sheet of defects, `defects.json` is everything else, and
`defects.html` is a page that shows it.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal
from zlib import crc32

import numpy as np

from fabgan.model.defects.networks import DefectConfig, DefectGenerator

from ..artifacts.tensors import check_weights, load_weights
from ..core.errors import OtherVersionError, UserError
from ..core.files import json_marker, read_json, sha256_of_file, write_json
from ..core.images import Pixels
from ..core.parameters import parameters, parse
from ..measures.gains import Gain
from .cutouts import Cutout
from .fitting import Fitter
from .pasting import pasted
from .places import Place
from .pool import Paint

WEIGHTS = "defects.safetensors"
CARD = "defects.json"
FOLDER = json_marker(CARD, "format", "config", "kinds", "judged")
"""What tells the folder of a defect model from all others."""
SHEET = "defects.png"
PAGE = "defects.html"
FORMAT = 5
PASTED: Literal["pasted"] = "pasted"
FITTED: Literal["fitted"] = "fitted"
BOTH: Literal["both"] = "both"
"""Each defect is pasted or fitted, by chance."""
NONE: Literal["none"] = "none"
MethodName = Literal["pasted", "fitted", "both"]
METHODS: tuple[MethodName, ...] = (PASTED, FITTED, BOTH)


NOT_RECOMMENDED = "the model recommends no images, because they were not shown to help an inspection model"


@parameters
class Precision:
    """Average precision by which an inspection model tells images and places with a defect from those without."""

    images: float
    places: float


@parameters
class Added:
    """What made images add to an inspection model."""

    images: Gain
    """In how well it tells images with a defect from those without."""
    places: Gain
    """In how well it tells places with a defect from those without."""

    @property
    def helps(self) -> bool:
        """Whether one of the gains is larger than chance explains, and the other is no loss that is."""
        return max(self.images.low, self.places.low) > 0 and not self.harms

    @property
    def harms(self) -> bool:
        """Whether one of the gains is a loss that is larger than chance explains."""
        return min(self.images.high, self.places.high) < 0


@parameters
class JudgedKind:
    """A kind of defect, and what made images add to how well an inspection model finds it.

    All judged kinds are made at once, so a kind also gains or loses by the images of others.
    """

    kind: str
    annotated: int
    """Number of defects in the training images."""
    held_out: int
    """Number of held-out packages whose first defect is of this kind."""
    classical: Precision | None
    """What is reached without made defects, as the mean over the runs. None if no held-out package can judge."""
    gains: dict[str, Added]
    """In average precision, by method. Empty if no held-out package can judge. Their intervals cover the chance in
    training and in making defects, not the choice of packages."""
    need: float
    """How badly an inspection model finds the kind without made defects, measured on training packages: 0 if it finds
    every place of it, near 1 if none. 1 for all kinds if that cannot be measured."""
    method: MethodName | Literal["none"]
    """The method with the largest gain, in images and places together; `none` if no held-out package can judge."""
    confirmed: Added | None
    """What images of all judged kinds add to this one, each made by its method, in other runs than those that chose the
    methods. None if no held-out package can judge."""


@parameters
class DefectCard:
    """What is known of a trained defect model."""

    format: int
    config: DefectConfig
    kinds: list[str]
    weights_sha256: str
    packages_sha256: str
    work_sha256: str
    """Digest of the parameters, packages and code that made the model."""
    size_px: int
    steps: int
    runs: int
    seed: int
    judged: list[JudgedKind]
    confirmed: dict[str, Gain]
    """What images of all judged kinds add, each made by its method, in other runs than those that chose the methods: in
    `auc`, in average precision of `places`, and in `recall`."""
    harmed: list[str]
    """Kinds that are found worse with these images. All losses together are to be certain by 95%, so one alone must be
    surer than its interval."""
    by_amount: dict[str, Added]
    """What different numbers of these images add in the same runs, to AUC and to average precision of places.
    `confirmed` is of the largest."""

    @property
    def recommended(self) -> dict[str, str]:
        """The method of each kind of which images are recommended. It is empty if the images do not help."""
        return {kind.kind: kind.method for kind in self.judged if self.helps and kind.method != NONE}

    @property
    def images_recommended(self) -> int:
        """The number of images whose gains are the surest: their lower ends add up to most. 0 if images do not help."""
        sure = {int(amount): one.images.low + one.places.low for amount, one in self.by_amount.items() if one.helps}
        return max(sure, key=lambda amount: sure[amount]) if sure and self.helps else 0

    @property
    def helps(self) -> bool:
        """Whether images of all judged kinds help an inspection model, in AUC or in the precision of places."""
        return bool(self.confirmed) and Added(self.confirmed["auc"], self.confirmed["places"]).helps

    @property
    def metrics(self) -> dict[str, float]:
        """The gains that were confirmed with their lower ends, and the number of recommended kinds."""
        found = {"kinds": float(len(self.judged)), "kinds_recommended": float(len(self.recommended))}
        for name, gain in self.confirmed.items():
            found |= {f"{name}_gain": gain.mean, f"{name}_gain_low": gain.low}
        return found


@dataclass(frozen=True)
class Method:
    """How defects of a kind are made."""

    name: str
    paint: Paint
    recommended: bool = True
    """Whether a model recommends images of the kind."""
    need: float = 1.0
    """As in `JudgedKind`. Of kinds with a larger need, more images are made."""
    weights_sha256: str = ""
    """Of the model, if there is one."""


def write_card(folder: Path, network: DefectGenerator, facts: Mapping[str, object]) -> DefectCard:
    """Write the card of a network whose weights are in the folder; its other fields are `facts`. Return it."""
    digest = sha256_of_file(folder / WEIGHTS)
    content = {"format": FORMAT, "config": asdict(network.config), "weights_sha256": digest, **facts}
    card = parse(DefectCard, content, CARD)
    write_json(folder / CARD, asdict(card))
    return card


def load_card(folder: Path) -> DefectCard:
    """Return the card of a model. Raises UserError if it is missing or damaged, OtherVersionError for another."""
    if not (folder / CARD).is_file():
        raise UserError(f"{folder / CARD}: missing; name a folder that `fabgan train_defects` filled")
    content = read_json(folder / CARD)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise OtherVersionError(
            f"{folder / CARD}: not the card of a defect model that this version can build; make one anew with "
            "`fabgan train_defects`"
        )
    return parse(DefectCard, content, str(folder / CARD))


def paints_of(network: DefectGenerator, kinds: list[str]) -> dict[str, Paint]:
    """Return the ways to put a defect into a background, by their names."""
    fitted = Fitter(network, kinds)
    return {PASTED: pasted, FITTED: fitted, BOTH: _Either((pasted, fitted))}


@dataclass(frozen=True)
class _Either:
    """One of two ways, by chance. Processes that load data can be sent it, as a function of a function cannot."""

    paints: tuple[Paint, Paint]

    def __call__(self, cutout: Cutout, background_HWC: Pixels, place: Place) -> tuple[Pixels, Pixels]:
        # A defect does not depend on others. Where places were drawn, they are the same in every image.
        drawn = np.random.default_rng([place.top_px, place.left_px, crc32(cutout.pixels_HWC.tobytes())]).integers(2)
        return self.paints[drawn](cutout, background_HWC, place)


def methods_of(folder: Path | None, kinds: list[str]) -> dict[str, Method]:
    """Return how to make each of some kinds, by the model. Without one, and for kinds that it cannot judge: pasted.

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
    digest = card.weights_sha256
    made = {name: Method(name, paint, weights_sha256=digest) for name, paint in paints_of(network, kinds).items()}
    made[NONE] = Method(PASTED, pasted)
    return {
        judged.kind: replace(made[judged.method], need=judged.need, recommended=judged.kind in card.recommended)
        for judged in card.judged
    }
