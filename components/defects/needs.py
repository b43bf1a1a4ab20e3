"""Which kinds of defects an inspection model finds badly: images with these are of most use.

The model is trained on some lots of the training packages and tested on the others, in turn, so that held-out packages
can still judge what made images add.
"""

import numpy as np

from ..artifacts.packages import Packages
from ..artifacts.parallel import in_parallel
from ..core.progress import Progress
from ..measures.inspection import DenseFeatures, InspectionModel
from .judging import annotated, kind_of, precision_of_places, real_places, seen_by

FOLDS = 4
UNKNOWN = 1.0


def needs_of(training: Packages, dense: DenseFeatures, seed: int) -> dict[str, float]:
    """Return how far the average precision of the places of each kind is below 1, as the mean over the folds.

    A kind that no fold can test has the mean of the others. If none can be tested, all have the same.
    """
    packages = annotated(training)
    folds = _folds(packages, seed)
    found: dict[str, list[float]] = {}
    if len(folds) > 1 and len({kind_of(package) for package in packages.listed} - {""}) > 1:
        for model, fold in zip(_trained(folds, dense, seed), folds, strict=True):
            score_of, touched_NYX, kinds_N = seen_by({"": model}, dense, fold)
            for kind in sorted(set(kinds_N) - {""}):
                shown_N = (kinds_N == kind) | (kinds_N == "")
                precision = precision_of_places(touched_NYX[shown_N], score_of[""][shown_N])
                found.setdefault(kind, []).append(1 - precision)
    known = {kind: float(np.mean(values)) for kind, values in found.items()}
    return dict.fromkeys(training.kinds, float(np.mean(list(known.values()))) if known else UNKNOWN) | known


def _trained(folds: list[Packages], dense: DenseFeatures, seed: int) -> list[InspectionModel]:
    """Return a model for each fold, trained on the other ones."""
    real = [real_places(dense, fold, np.random.default_rng([seed, at])) for at, fold in enumerate(folds)]
    models = [InspectionModel(real[0][0].features_PF.shape[1], seed) for _ in folds]
    progress = Progress("train_defects", len(folds), "parts of the training packages")

    def train(at: int) -> None:
        models[at].train([places for number, group in enumerate(real) if number != at for places in group])

    for _ in in_parallel(train, range(len(folds))):
        progress.advance(1)
    return models


def _folds(packages: Packages, seed: int) -> list[Packages]:
    """Deal the lots out, first those with defects, and return the parts that have packages with and without any."""
    bad = {package.lot for package in packages.listed if package.defects}
    good, random = {package.lot for package in packages.listed} - bad, np.random.default_rng(seed)
    order = [lot for lots in (bad, good) for lot in random.permutation(sorted(lots)).tolist()]
    number = min(FOLDS, len(bad))
    fold_of = {lot: at % number for at, lot in enumerate(order) if number}
    dealt = [
        packages.chosen([at for at, package in enumerate(packages.listed) if fold_of[package.lot] == fold])
        for fold in range(number)
    ]
    return [fold for fold in dealt if 0 < sum(bool(package.defects) for package in fold.listed) < len(fold.listed)]
