"""How often, and with which random numbers, the judge of made defects is trained."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

from fabgan.components.artifacts.packages import Packages
from fabgan.components.defects.evidence import Trial
from fabgan.components.defects.judging import Judge, Scores
from fabgan.components.defects.parameters import TrainDefectsParameters
from fabgan.components.defects.pool import Pool
from fabgan.components.measures.inspection import Image

RUNS = 3


class Recorder:
    """Takes the place of a judge, and keeps the seeds."""

    def __init__(self) -> None:
        self.seeds = list[int]()

    def scores(self, pool: Packages, ways: Mapping[str, Iterable[Image]], seed: int) -> dict[str, Scores]:
        self.seeds.append(seed)
        return {}

    def scores_by_amount(self, pool: Packages, made: Iterable[Image], seed: int) -> dict[str, Scores]:
        return self.scores(pool, {}, seed)


def test_no_two_runs_train_the_same_judge_whatever_the_seed(tmp_path: Path) -> None:
    recorder, nothing = Recorder(), cast(Any, None)
    for seed in range(3):
        params = TrainDefectsParameters(size_px=64, steps=1, runs=RUNS, seed=seed)
        records = tmp_path / str(seed)
        trial = Trial(cast(Judge, recorder), nothing, cast(Pool, nothing), {}, params, records)
        trial.of_methods({})
        trial.of_amounts({})
        trial.of_methods({})  # these runs have records
    assert len(set(recorder.seeds)) == len(recorder.seeds) == 3 * 2 * RUNS
