"""The train_defects step: it trains the defect model, and finds out which made defects help an inspection model."""

from collections import Counter
from dataclasses import asdict
from pathlib import Path

from fabgan.model.defects.networks import DefectConfig, DefectGenerator

from ..artifacts.manifest import manifest_digest
from ..artifacts.packages import Packages, open_packages
from ..artifacts.tensors import check_weights, load_weights, save_tensors
from ..core.errors import UserError
from ..core.files import check_apart, read_json, write_json
from ..core.images import write_png
from ..core.parameters import digest
from ..core.provenance import code_of_module
from ..core.resumable import RECORDS, resumable_folder
from ..measures.inspection import DenseFeatures
from .card import (
    CARD,
    FITTED,
    FOLDER,
    NONE,
    PAGE,
    PASTED,
    SHEET,
    WEIGHTS,
    DefectCard,
    JudgedKind,
    load_card,
    paints_of,
    write_card,
)
from .evidence import Evidence, Trial, gathered
from .judging import AMOUNTS, MADE_IMAGES, Judge, added, annotated, gain, kind_of
from .needs import needs_of
from .page import write_page
from .parameters import TrainDefectsParameters
from .pool import Pool, pool_of
from .sheet import sheet_of
from .training import trained

NEEDS = "needs.json"
CONFIRMED = ("auc", "places", "recall")
"""Measures of all kinds together, in which it is confirmed that images help."""


def run(params: TrainDefectsParameters, packages: Path, model: Path) -> DefectCard:
    """Fill the folder `model` with a trained defect model and with what its images are worth. Return its card.

    A run that is cut short resumes when it is started again, with the trained network and the finished runs of the
    judge. Raises UserError without annotated defects or without good packages, in the training or in the held-out
    images, and for a model that would lie among the packages.
    """
    check_apart({"model": model}, {"packages": packages})
    work = digest([asdict(params), manifest_digest(packages), code_of_module(__name__)])
    if (made := _made(model)) and made.work_sha256 == work:
        return made
    training, held_out = (open_packages(packages, params.size_px, split) for split in ("train", "held_out"))
    pool = pool_of(training)
    _check_held_out(held_out)
    with resumable_folder(model, work, FOLDER) as folder:
        network = _network(pool, params, folder / WEIGHTS)
        paints = paints_of(network, list(pool.cutouts))
        sheet = sheet_of(pool, {name: paints[name] for name in (PASTED, FITTED)})
        write_png(folder / SHEET, sheet)
        judge = Judge(held_out)
        needs = _needs(training, judge.dense, params.seed, folder / RECORDS / NEEDS)
        shown = Counter(map(kind_of, annotated(held_out).listed))
        trial = Trial(judge, training, pool, needs, params, folder / RECORDS)
        evidence = gathered(trial, paints, [kind for kind in pool.present if shown[kind]])
        judged = [_judged(kind, pool, shown[kind], needs[kind], evidence) for kind in pool.cutouts]
        confirmed = {name: gain(evidence.further, str(MADE_IMAGES), name) for name in CONFIRMED if evidence.further}
        by_amount = {str(amount): added(evidence.further, str(amount)) for amount in AMOUNTS if evidence.further}
        facts = {"kinds": list(pool.cutouts), "packages_sha256": manifest_digest(packages), "work_sha256": work}
        found = {"judged": judged, "confirmed": confirmed, "harmed": evidence.harmed(), "by_amount": by_amount}
        card = write_card(folder, network, {**facts, **asdict(params), **found})
        write_page(folder / PAGE, card, sheet)
        return card


def _made(model: Path) -> DefectCard | None:
    """Return the card of a model that is already there, if there is a whole one."""
    try:
        card = load_card(model)
        check_weights(model / WEIGHTS, card.weights_sha256, CARD)
    except UserError:
        return None
    return card


def _network(pool: Pool, params: TrainDefectsParameters, weights: Path) -> DefectGenerator:
    """Return the trained network, which is kept in a file."""
    if not weights.is_file():
        save_tensors(weights, trained(pool, params.steps, params.seed).state_dict())
    network = DefectGenerator(DefectConfig(pool.channels, len(pool.cutouts)))
    load_weights(network, weights)
    return network


def _needs(training: Packages, dense: DenseFeatures, seed: int, record: Path) -> dict[str, float]:
    """Return how badly each kind is found, which is kept in a file."""
    if not record.is_file():
        write_json(record, needs_of(training, dense, seed))
    known: dict[str, float] = read_json(record)
    return known


def _check_held_out(held_out: Packages) -> None:
    known = annotated(held_out).listed
    bad = sum(bool(package.defects) for package in known)
    if not 0 < bad < len(known):
        raise UserError(
            f"{held_out.folder}: of {len(known)} annotated held-out packages, {bad} have defects; some with and some "
            "without are needed to judge what made defects add; see ingest.held_out_share and ingest.seed, and give "
            "packages without defects an empty mask, which says that somebody looked"
        )


def _judged(kind: str, pool: Pool, held_out: int, need: float, evidence: Evidence) -> JudgedKind:
    is_judged = kind in evidence.methods
    return JudgedKind(
        kind=kind,
        annotated=len(pool.cutouts[kind]),
        held_out=held_out,
        classical=evidence.classical(kind) if is_judged else None,
        gains=evidence.gains(kind) if is_judged else {},
        need=need,
        method=evidence.methods.get(kind, NONE),
        confirmed=evidence.confirmed(kind) if is_judged else None,
    )
