"""Which kinds of defects an inspection model finds badly: images with these are of most use.

It is trained on some lots of the training packages and tested on the others, in turn, so that held-out packages can
still judge what made images add.
"""

import numpy as np

from ..artifacts.packages import Packages
from ..artifacts.parallel import in_parallel
from ..measures.inspection import Eye, InspectionModel, joined
from .judging import annotated, real_places, tested

FOLDS = 4
MEASURE = "places "


def needs_of(training: Packages, eye: Eye, seed: int) -> dict[str, float]:
    """Return how far the average precision of the places of each kind is below 1, as the mean over the folds.

    A kind is missing if no fold can judge it.
    """
    folds = _folds(annotated(training), seed)
    real = [real_places(eye, fold, np.random.default_rng([seed, at])) for at, fold in enumerate(folds)]
    models = [InspectionModel(real[0][0].features_PF.shape[1], seed) for _ in folds]

    def train(at: int) -> None:
        others = [places for number, places in enumerate(real) if number != at]
        models[at].train([joined(group) for group in zip(*others, strict=True)])

    for _ in in_parallel(train, range(len(folds))):
        pass
    found: dict[str, list[float]] = {}
    for model, fold in zip(models, folds, strict=True):
        for name, value in tested({"": model}, eye, fold)[""].items():
            if name.startswith(MEASURE):
                found.setdefault(name.removeprefix(MEASURE), []).append(1 - value)
    return {kind: float(np.mean(values)) for kind, values in found.items()}


def _folds(packages: Packages, seed: int) -> list[Packages]:
    """Deal the lots out, so that lots with defects go to every fold, and keep the folds that can test."""
    lots = np.random.default_rng(seed).permutation(sorted({package.lot for package in packages.listed}))
    fold_of = {lot: at % FOLDS for at, lot in enumerate(lots.tolist())}
    dealt = [
        packages.chosen([at for at, package in enumerate(packages.listed) if fold_of[package.lot] == fold])
        for fold in range(FOLDS)
    ]
    return [fold for fold in dealt if 0 < sum(bool(package.defects) for package in fold.listed) < len(fold.listed)]
