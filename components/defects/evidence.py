"""Which made defects help an inspection model: each method is tried, and then the best ones of all kinds together."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fabgan.model.streams import random_stream

from ..artifacts.packages import Packages
from ..core.files import read_json, write_json
from ..core.progress import Progress
from ..measures.gains import CONFIDENCE
from ..measures.inspection import Image
from .card import METHODS, Added, MethodName, Precision
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

    def of_methods(self, paints: Mapping[str, Paint], kinds: Sequence[str]) -> Runs:
        """Return the scores with all `kinds` made by each method, in each run."""

        def scores(number: int) -> dict[str, Scores]:
            made = {method: self._made(dict.fromkeys(kinds, paint), number) for method, paint in paints.items()}
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
    """What inspection models reach with made images of all kinds that held-out packages can judge."""

    runs: Runs
    """Scores with all kinds made by one method, by the name of the method."""
    methods: Mapping[str, MethodName]
    """The best method of each kind. Empty if no kind can be judged, as the scores are then."""
    further: Runs
    """Scores of other runs with each kind made by its best method, by the number of images."""

    def classical(self, kind: str) -> Precision:
        """Return what is reached without made defects, as the mean over the runs."""
        return Precision(*(float(np.mean([run[CLASSICAL][measure] for run in self.runs])) for measure in _of(kind)))

    def gains(self, kind: str) -> dict[str, Added]:
        """Return what is added to a kind if all kinds are made by a method."""
        return _gains(self.runs, kind)

    def confirmed(self, kind: str, confidence: float = CONFIDENCE) -> Added:
        """Return what is added to a kind if each kind is made by its best method."""
        return added(self.further, str(MADE_IMAGES), *_of(kind), confidence)

    def harmed(self) -> list[str]:
        """Return the kinds that are found worse. All losses together are to be certain by 95% (Bonferroni)."""
        sure = 1 - (1 - CONFIDENCE) / (2 * max(len(self.methods), 1))
        return [kind for kind in self.methods if self.confirmed(kind, sure).harms]


def gathered(trial: Trial, paints: Mapping[str, Paint], kinds: Sequence[str]) -> Evidence:
    """Return what a trial says of `kinds` that held-out packages can judge, and of methods, `paints` by their names."""
    if not kinds:
        return Evidence([], {}, [])
    runs = trial.of_methods(paints, kinds)
    methods = {kind: best_method(_gains(runs, kind)) for kind in kinds}
    return Evidence(runs, methods, trial.of_amounts({kind: paints[method] for kind, method in methods.items()}))


def best_method(gains: Mapping[str, Added]) -> MethodName:
    """Return the method with the largest gain, in images and places together."""
    return max(METHODS, key=lambda method: gains[method].images.mean + gains[method].places.mean)


def _gains(runs: Runs, kind: str) -> dict[str, Added]:
    return {method: added(runs, method, *_of(kind)) for method in METHODS}


def _of(kind: str) -> tuple[str, str]:
    """Return the measures of a kind, in images and in places."""
    return f"average_precision {kind}", f"places {kind}"
