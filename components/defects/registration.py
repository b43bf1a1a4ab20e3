"""Train a defect model and register it in MLflow, as a version of a model of its own.

A model whose images were not confirmed to help is registered as refused, without an alias. Any other becomes champion,
unless the present champion was trained on the same packages and gains more. What counts is the sum of the gains in AUC
and in the precision of places.
"""

from dataclasses import asdict
from pathlib import Path

from ..artifacts.manifest import manifest_digest
from ..core.files import sha256_of_file
from ..core.parameters import digest
from ..core.provenance import git_commit
from ..services.tracking.promotion import CANDIDATE, REFUSED, Publication, publish
from ..services.tracking.registry import Registry, Version
from ..services.tracking.runs import step_run
from . import learning
from .card import CARD, DefectCard
from .parameters import TrainDefectsParameters

STEP = "train_defects"
PACKAGES = "packages_sha256"
GAINS = ("auc_gain", "places_gain")
FORMAT_TAG = "card_format"
CARD_SHA256 = "card_sha256"
"""Tag by which a model is known again. The same weights with another judgement are another version."""


def run(params: TrainDefectsParameters, packages: Path, model: Path, model_name: str) -> tuple[DefectCard, Publication]:
    """Fill the folder `model` inside an MLflow run, and register it as `model_name`.

    Raises UserError as `learning.run` does, and if MLflow cannot be used.
    """
    with step_run(STEP, {STEP: asdict(params)}, {"packages": manifest_digest(packages)}) as tracked:
        card = learning.run(params, packages, model)
        publication = publish(Registry(), model_name, model, _tags(card, model), better, identity=CARD_SHA256)
        tracked.finish(card.metrics | {"version": float(publication.version.number)}, [model], [packages])
    return card, publication


def _tags(card: DefectCard, model: Path) -> dict[str, str]:
    return {
        CARD_SHA256: sha256_of_file(model / CARD),
        "weights_sha256": card.weights_sha256,
        PACKAGES: card.packages_sha256,
        FORMAT_TAG: str(card.format),
        "parameters_sha256": digest([card.size_px, card.steps, card.runs, card.seed]),
        "git_commit": git_commit(),
        "verdict": CANDIDATE if card.helps else REFUSED,
        "verdict_reasons": "" if card.helps else "its images were not confirmed to help an inspection model",
        **{name: f"{value:.6g}" for name, value in card.metrics.items()},
    }


def better(candidate: Version, champion: Version | None) -> tuple[bool, str]:
    """Return whether a version that helps should replace the champion, and why."""
    if champion is None:
        return True, "its images help, and there was no champion"
    if champion.tags.get(PACKAGES) != candidate.tags[PACKAGES]:
        return True, f"its images help, and version {champion.number} was trained on other packages"
    if champion.tags.get(FORMAT_TAG) != candidate.tags[FORMAT_TAG]:
        return True, f"its images help, and version {champion.number} is of another version of fabgan"
    ours, theirs = (sum(float(version.tags[name]) for name in GAINS) for version in (candidate, champion))
    said = f"{' + '.join(GAINS)} is {ours:.4g}, and {theirs:.4g} for version {champion.number}, on the same packages"
    return ours > theirs, said
