"""Which made defects help an inspection model: each method is tried, and then the best ones of all kinds together."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fabgan.model.streams import random_stream

from ..artifacts.packages import Packages
from ..core.files import read_json, write_json
from ..core.progress import Progress
from ..measures.inspection import Image
from .card import METHODS, Added, Precision, Recommended
from .judging import CLASSICAL, MADE_IMAGES, Judge, Runs, Scores, added, made_images
from .parameters import TrainDefectsParameters
from .pool import Paint, Pool


@dataclass(frozen=True)
class Trial:
    """Trains inspection models with and without made defects. Runs that have a record are not repeated."""

    judge: Judge
    training: Packages
    pool: Pool
    needs: Mapping[str, float]
    params: TrainDefectsParameters
    records: Path

    def of_methods(self, paints: Mapping[str, Paint]) -> Runs:
        """Return the scores with all kinds made by each method, in each run."""

        def scores(number: int) -> dict[str, Scores]:
            made = {
                method: self._made(dict.fromkeys(self.pool.present, paint), number) for method, paint in paints.items()
            }
            return self.judge.scores(self.training, made, self._seed(number))

        return self._runs(scores, first=0)

    def of_amounts(self, paints: Mapping[str, Paint]) -> Runs:
        """Return the scores of each number of images, of which `paints` makes the kinds, in each of other runs."""

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


@dataclass(frozen=True)
class Evidence:
    """What inspection models reach with made images of all kinds."""

    runs: Runs
    """Scores with all kinds made by one method, by the name of the method."""
    methods: Mapping[str, Recommended]
    """The best method of each kind that held-out packages can judge."""
    further: Runs
    """Scores of other runs with each kind made by its best method, by the number of images. Empty without `methods`."""

    def classical(self, kind: str) -> Precision:
        """Return what is reached without made defects, as the mean over the runs."""
        return Precision(*(float(np.mean([run[CLASSICAL][measure] for run in self.runs])) for measure in _of(kind)))

    def gains(self, kind: str) -> dict[str, Added]:
        """Return what is added to a kind if all kinds are made by a method."""
        return _gains(self.runs, kind)

    def confirmed(self, kind: str) -> Added:
        """Return what is added to a kind if each kind is made by its best method."""
        return added(self.further, str(MADE_IMAGES), *_of(kind))


def gathered(trial: Trial, paints: Mapping[str, Paint]) -> Evidence:
    """Return what a trial says of methods, which are `paints` by their names."""
    runs = trial.of_methods(paints)
    judged = [kind for kind in trial.pool.present if set(_of(kind)) <= set(runs[0][CLASSICAL])]
    methods = {kind: best_method(_gains(runs, kind)) for kind in judged}
    further = trial.of_amounts({kind: paints[method] for kind, method in methods.items()}) if methods else []
    return Evidence(runs, methods, further)


def best_method(gains: Mapping[str, Added]) -> Recommended:
    """Return the method with the largest gain, in images and places together."""
    return max(METHODS, key=lambda method: gains[method].images.mean + gains[method].places.mean)


def _gains(runs: Runs, kind: str) -> dict[str, Added]:
    return {method: added(runs, method, *_of(kind)) for method in METHODS}


def _of(kind: str) -> tuple[str, str]:
    """Return the measures of a kind, in images and in places."""
    return f"average_precision {kind}", f"places {kind}"
