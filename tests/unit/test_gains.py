"""Gains from paired runs, against scipy's own interval, and the methods and the models that are recommended by them."""

from collections.abc import Mapping

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from fabgan.components.defects.card import Added
from fabgan.components.defects.evidence import best_method
from fabgan.components.measures.gains import Gain, gain_of


@pytest.mark.parametrize("confidence", [0.95, 0.99])
@pytest.mark.parametrize("runs", [2, 5, 20])
def test_the_interval_is_students(runs: int, confidence: float) -> None:
    ours, theirs = np.random.default_rng(runs).normal(size=(2, runs))
    gain = gain_of(ours.tolist(), theirs.tolist(), confidence)
    expected = stats.ttest_rel(ours, theirs).confidence_interval(confidence)
    assert (gain.low, gain.high) == pytest.approx((expected.low, expected.high))
    assert gain.mean == pytest.approx((gain.low + gain.high) / 2)


def by_chance(seed: int) -> Added:
    """Return gains over five runs that differ by chance alone."""
    random = np.random.default_rng(seed)
    return Added(*(gain_of(*random.normal(size=(2, 5)).tolist()) for _ in range(2)))


def test_chance_alone_helps_hardly_ever() -> None:
    """Two gains are tried, each with a chance of one in forty to look like one."""
    assert 0 < sum(by_chance(seed).helps for seed in range(1000)) < 70


def test_chance_alone_harms_hardly_ever() -> None:
    assert 0 < sum(by_chance(seed).harms for seed in range(1000)) < 70


def around(mean: float) -> Gain:
    return Gain(mean, mean - 1, mean + 1)


@pytest.mark.parametrize(
    ("gains", "expected"),
    [
        ({"pasted": (0.1, 0.1), "fitted": (0.0, 0.0), "both": (0.3, -0.2)}, "pasted"),
        ({"pasted": (0.0, 0.1), "fitted": (0.3, -0.1), "both": (0.1, 0.0)}, "fitted"),
        ({"pasted": (-0.2, -0.2), "fitted": (0.1, -0.4), "both": (-0.1, -0.1)}, "both"),
    ],
    ids=["both gain", "one gains more than the other loses", "the smallest loss"],
)
def test_the_best_method_has_the_largest_sum_of_gains(gains: Mapping[str, tuple[float, float]], expected: str) -> None:
    assert best_method({method: Added(*map(around, both)) for method, both in gains.items()}) == expected
