"""How often the judge of made defects is trained, with which random numbers, and what is made of its scores."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from fabgan.components.artifacts.packages import Packages
from fabgan.components.defects.card import METHODS, Precision
from fabgan.components.defects.evidence import Evidence, Trial, gathered
from fabgan.components.defects.judging import CLASSICAL, MADE_IMAGES, Judge, Scores
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
        trial.of_methods({}, [])
        trial.of_amounts({})
        trial.of_methods({}, [])  # these runs have records
    assert len(set(recorder.seeds)) == len(recorder.seeds) == 3 * 2 * RUNS


class Known:
    """Takes the place of a trial: its scores are known, and it keeps what it was asked to make."""

    asked: Mapping[str, str] | None = None

    def of_methods(self, paints: Mapping[str, str], kinds: Sequence[str]) -> list[dict[str, Scores]]:
        best = {"pit": "fitted", "dent": "both"}
        return [
            {way: scores(**{kind: 0.5 + 0.1 * (best[kind] == way) for kind in kinds}) for way in (CLASSICAL, *paints)}
            for _ in range(RUNS)
        ]

    def of_amounts(self, paints: Mapping[str, str]) -> list[dict[str, Scores]]:
        self.asked = paints
        losses = (0.20, 0.21, 0.22)
        return [
            {CLASSICAL: scores(pit=0.5, dent=0.5), str(MADE_IMAGES): scores(pit=0.5 - loss, dent=0.6)}
            for loss in losses
        ]


def scores(**kinds: float) -> Scores:
    return {f"{name} {kind}": value for kind, value in kinds.items() for name in ("average_precision", "places")}


def test_each_kind_is_made_by_its_best_method_when_all_are_tried_together() -> None:
    known, paints = Known(), {method: f"paint of {method}" for method in METHODS}
    evidence = gathered(cast(Trial, known), cast(Any, paints), ["pit", "dent"])
    assert evidence.methods == {"pit": "fitted", "dent": "both"}
    assert known.asked == {"pit": "paint of fitted", "dent": "paint of both"}
    assert evidence.gains("pit")["fitted"].images.mean == pytest.approx(0.1)
    assert evidence.gains("pit")["both"].images.mean == 0
    assert evidence.classical("dent") == Precision(0.5, 0.5)
    assert evidence.confirmed("dent").places.mean == pytest.approx(0.1)
    assert evidence.harmed() == ["pit"]


def test_nothing_is_tried_if_no_kind_can_be_judged() -> None:
    known = Known()
    evidence = gathered(cast(Trial, known), {}, [])
    assert (evidence.runs, evidence.methods, evidence.further, evidence.harmed()) == ([], {}, [], [])
    assert known.asked is None


def test_chance_alone_names_hardly_any_kind_as_harmed() -> None:
    kinds, ways, found = [f"kind {at}" for at in range(8)], (CLASSICAL, str(MADE_IMAGES)), 0
    for seed in range(400):
        random = np.random.default_rng(seed)
        ways = (CLASSICAL, str(MADE_IMAGES))
        further = [
            {way: scores(**dict(zip(kinds, random.normal(size=8), strict=True))) for way in ways} for _ in range(5)
        ]
        found += bool(Evidence([], dict.fromkeys(kinds, "pasted"), further).harmed())
    assert 0 < found < 40
