"""The train_defects step: it trains the defect model, and finds out which made defects help an inspection model."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..artifacts.manifest import manifest_digest
from ..artifacts.packages import Packages, open_packages
from ..core.errors import UserError
from ..core.files import check_replaceable
from ..core.progress import Progress
from ..measures.gains import Gain
from .card import CARD, FITTED, NONE, PASTED, DefectCard, JudgedKind, save_model
from .fitting import Fitter
from .judging import CLASSICAL, Judge, Scores, annotated, gain, kind_of, made_images
from .parameters import TrainDefectsParameters
from .pasting import pasted
from .pool import Paint, Pool, pool_of
from .sheet import sheet_of
from .training import trained

RECOMMENDED = "recommended"


def run(params: TrainDefectsParameters, packages: Path, model: Path) -> DefectCard:
    """Fill the folder `model` with a trained defect model and with what its images are worth. Return its card.

    Raises UserError without annotated defects or without good packages, in the training or in the held-out images.
    """
    check_replaceable(model, CARD)
    training, held_out = (open_packages(packages, params.size_px, split) for split in ("train", "held_out"))
    pool = pool_of(training)
    _check_held_out(held_out)
    network = trained(pool, params.steps, params.seed)
    paints: dict[str, Paint] = {PASTED: pasted, FITTED: Fitter(network, list(pool.cutouts))}
    trial = _Trial(Judge(held_out), training, pool, params)
    present = [kind for kind, cutouts in pool.cutouts.items() if cutouts]
    runs = trial.runs({method: dict.fromkeys(present, paint) for method, paint in paints.items()}, first=0)
    judged = [_judged(kind, pool, held_out, runs) for kind in pool.cutouts]
    chosen = {kind.kind: paints[kind.method] for kind in judged if kind.method != NONE}
    confirming = trial.runs({RECOMMENDED: chosen}, first=params.runs) if chosen else []
    facts = {
        "kinds": list(pool.cutouts),
        "packages_sha256": manifest_digest(packages),
        "size_px": params.size_px,
        "steps": params.steps,
        "runs": params.runs,
        "seed": params.seed,
        "judged": judged,
        "confirmed": {name: gain(confirming, RECOMMENDED, name) for name in ("auc", "recall") if confirming},
    }
    return save_model(model, network, sheet_of(pool, paints), facts)


def _check_held_out(held_out: Packages) -> None:
    known = annotated(held_out).listed
    bad = sum(bool(package.defects) for package in known)
    if not 0 < bad < len(known):
        raise UserError(
            f"{held_out.folder}: of {len(known)} annotated held-out packages, {bad} have defects; some with and some "
            "without are needed to judge what made defects add; see ingest.held_out_share and ingest.seed, and give "
            "packages without defects an empty mask, which says that somebody looked"
        )


class _Trial:
    """Trains inspection models with and without made defects."""

    def __init__(self, judge: Judge, training: Packages, pool: Pool, params: TrainDefectsParameters) -> None:
        self._judge, self._training, self._pool, self._params = judge, training, pool, params

    def runs(self, ways: Mapping[str, Mapping[str, Paint]], first: int) -> list[dict[str, Scores]]:
        """Return the scores of each way, which is how each kind is made, in each run. `first` numbers the runs."""
        progress, found = Progress("train_defects", self._params.runs, "runs of the judge"), list[dict[str, Scores]]()
        for number in range(first, first + self._params.runs):
            made = {
                way: made_images(self._pool, paints, np.random.default_rng([self._params.seed, number]))
                for way, paints in ways.items()
            }
            found.append(self._judge.scores(self._training, made, self._params.seed + number))
            progress.advance(1)
        return found


def _judged(kind: str, pool: Pool, held_out: Packages, runs: list[dict[str, Scores]]) -> JudgedKind:
    measure = f"average_precision {kind}"
    judged = measure in runs[0][CLASSICAL] and bool(pool.cutouts[kind])
    gains: dict[str, Gain] = {method: gain(runs, method, measure) for method in (PASTED, FITTED) if judged}
    helpful = [method for method in (PASTED, FITTED) if judged and gains[method].low > 0]
    return JudgedKind(
        kind=kind,
        annotated=len(pool.cutouts[kind]),
        held_out=[kind_of(package) for package in annotated(held_out).listed].count(kind),
        classical=float(np.mean([run[CLASSICAL][measure] for run in runs])) if judged else None,
        gains=gains,
        method=max(helpful, key=lambda method: gains[method].mean) if helpful else NONE,
    )
