"""Gains from paired runs, against scipy's own interval, and what is recommended by them."""

from collections.abc import Mapping

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from fabgan.components.defects.card import METHODS, NONE
from fabgan.components.defects.judging import CLASSICAL, Scores, recommended
from fabgan.components.measures.gains import gain_of

MEASURES = "images", "places"
WAYS = (CLASSICAL, *METHODS)
Gains = tuple[float, ...]
"""In each of five runs."""
NOTHING, SURE, LARGER = (0.0,) * 5, (1.0, 1.1, 1.0, 1.1, 1.0), (3.0, 3.1, 3.0, 3.1, 3.0)
UNSURE = (0.3, 0.6, 1.0, 1.4, 1.7)
"""3.9 standard errors: by Student's t, that is 95% of one gain, and not of six."""
LOSS = tuple(-gain for gain in UNSURE)


@pytest.mark.parametrize("confidence", [0.95, 0.99])
@pytest.mark.parametrize("runs", [2, 5, 20])
def test_the_interval_is_students(runs: int, confidence: float) -> None:
    ours, theirs = np.random.default_rng(runs).normal(size=(2, runs))
    gain = gain_of(ours.tolist(), theirs.tolist(), confidence)
    expected = stats.ttest_rel(ours, theirs).confidence_interval(confidence)
    assert (gain.low, gain.high) == pytest.approx((expected.low, expected.high))
    assert gain.mean == pytest.approx((gain.low + gain.high) / 2)


def by_chance(seed: int) -> list[dict[str, Scores]]:
    """Return scores of five runs that differ by chance alone."""
    random = np.random.default_rng(seed)
    return [{way: dict(zip(MEASURES, random.normal(size=2), strict=True)) for way in WAYS} for _ in range(5)]


def gaining(gains: Mapping[str, tuple[Gains, Gains]]) -> list[dict[str, Scores]]:
    """Return scores of runs in which methods gain so much in images and in places."""
    every = {**dict.fromkeys(WAYS, (NOTHING, NOTHING)), **gains}
    return [
        {way: {name: one[run] for name, one in zip(MEASURES, both, strict=True)} for way, both in every.items()}
        for run in range(len(NOTHING))
    ]


def test_chance_alone_recommends_hardly_anything() -> None:
    assert sum(recommended(by_chance(seed), *MEASURES) != NONE for seed in range(1000)) < 50


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ({"pasted": (UNSURE, NOTHING)}, "none"),
        ({"pasted": (NOTHING, SURE)}, "pasted"),
        ({"pasted": (SURE, NOTHING), "both": (NOTHING, LARGER)}, "both"),
        ({"pasted": (SURE, NOTHING), "both": (LARGER, LOSS)}, "pasted"),
    ],
    ids=["unsure", "sure", "larger", "beside a loss"],
)
def test_the_largest_gain_that_is_sure_is_recommended(gains: Mapping[str, tuple[Gains, Gains]], expected: str) -> None:
    assert recommended(gaining(gains), *MEASURES) == expected
