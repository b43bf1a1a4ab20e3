"""The train_defects step: it trains the defect model, and finds out which made defects help an inspection model."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from fabgan.model.defects.networks import DefectConfig, DefectGenerator
from fabgan.model.streams import random_stream

from ..artifacts.manifest import manifest_digest
from ..artifacts.packages import Packages, open_packages
from ..artifacts.tensors import check_weights, load_weights, save_tensors
from ..core.errors import UserError
from ..core.files import check_apart, read_json, write_json
from ..core.images import write_png
from ..core.parameters import digest
from ..core.progress import Progress
from ..core.provenance import code_of_module
from ..core.resumable import RECORDS, resumable_folder
from ..measures.inspection import DenseFeatures, Image
from .card import (
    CARD,
    FITTED,
    FOLDER,
    METHODS,
    NONE,
    PAGE,
    PASTED,
    SHEET,
    WEIGHTS,
    Added,
    DefectCard,
    JudgedKind,
    Precision,
    load_card,
    paints_of,
    write_card,
)
from .judging import (
    AMOUNTS,
    CLASSICAL,
    MADE_IMAGES,
    Judge,
    Scores,
    added,
    annotated,
    gain,
    kind_of,
    made_images,
    recommended,
)
from .needs import needs_of
from .page import write_page
from .parameters import TrainDefectsParameters
from .pool import Paint, Pool, pool_of
from .sheet import sheet_of
from .training import trained

NEEDS = "needs.json"
CONFIRMED = ("auc", "places", "recall")
"""Measures of all kinds together, in which a recommendation is confirmed."""


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
        trial = _Trial(judge, training, pool, needs, params, folder / RECORDS)
        runs = trial.of_ways({way: dict.fromkeys(pool.present, paint) for way, paint in paints.items()})
        judged = [_judged(kind, pool, held_out, needs, runs) for kind in pool.cutouts]
        chosen = {kind.kind: paints[kind.method] for kind in judged if kind.method != NONE}
        confirming = trial.of_amounts(chosen) if chosen else []
        confirmed = {name: gain(confirming, str(MADE_IMAGES), name) for name in CONFIRMED if confirming}
        by_amount = {str(amount): added(confirming, str(amount), "auc", "places") for amount in AMOUNTS if confirming}
        facts = {"kinds": list(pool.cutouts), "packages_sha256": manifest_digest(packages), "work_sha256": work}
        found = {"judged": judged, "confirmed": confirmed, "by_amount": by_amount}
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


@dataclass(frozen=True)
class _Trial:
    """Trains inspection models with and without made defects. Runs that have a record are not repeated."""

    judge: Judge
    training: Packages
    pool: Pool
    needs: Mapping[str, float]
    params: TrainDefectsParameters
    records: Path

    def of_ways(self, ways: Mapping[str, Mapping[str, Paint]]) -> list[dict[str, Scores]]:
        """Return the scores of each way, which says how each kind is made, in each run."""

        def scores(number: int) -> dict[str, Scores]:
            made = {way: self._made(paints, number) for way, paints in ways.items()}
            return self.judge.scores(self.training, made, self._seed(number))

        return self._runs(scores, first=0)

    def of_amounts(self, paints: Mapping[str, Paint]) -> list[dict[str, Scores]]:
        """Return the scores of each number of images whose kinds are made in their ways, in each of other runs."""

        def scores(number: int) -> dict[str, Scores]:
            made = self._made(paints, number)
            return self.judge.scores_by_amount(self.training, made, self._seed(number))

        return self._runs(scores, first=self.params.runs)

    def _seed(self, number: int) -> int:
        """Return the seed of the judge in a run. Runs of other seeds have others, so that they are new evidence."""
        return random_stream(self.params.seed, "judge", number).initial_seed()

    def _made(self, paints: Mapping[str, Paint], number: int) -> Iterator[Image]:
        return made_images(self.pool, paints, self.needs, np.random.default_rng([self.params.seed, number]))

    def _runs(self, scores: Callable[[int], dict[str, Scores]], first: int) -> list[dict[str, Scores]]:
        progress, found = Progress("train_defects", self.params.runs, "runs of the judge"), list[dict[str, Scores]]()
        for number in range(first, first + self.params.runs):
            record = self.records / f"run-{number}.json"
            if not record.is_file():
                write_json(record, scores(number))
            found.append(read_json(record))
            progress.advance(1)
        return found


def _judged(
    kind: str, pool: Pool, held_out: Packages, needs: Mapping[str, float], runs: list[dict[str, Scores]]
) -> JudgedKind:
    measures = (f"average_precision {kind}", f"places {kind}")
    judged = measures[0] in runs[0][CLASSICAL] and bool(pool.cutouts[kind])
    gains: dict[str, Added] = {method: added(runs, method, *measures) for method in METHODS if judged}
    return JudgedKind(
        kind=kind,
        annotated=len(pool.cutouts[kind]),
        held_out=[kind_of(package) for package in annotated(held_out).listed].count(kind),
        classical=Precision(*(float(np.mean([run[CLASSICAL][name] for run in runs])) for name in measures))
        if judged
        else None,
        gains=gains,
        need=needs[kind],
        method=recommended(runs, *measures) if judged else NONE,
    )
