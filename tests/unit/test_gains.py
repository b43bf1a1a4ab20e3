"""Gains from paired runs, against scipy's own interval."""

import numpy as np
import pytest
from scipy import stats  # type: ignore[import-untyped]

from fabgan.components.measures.gains import gain_of


@pytest.mark.parametrize("runs", [2, 5, 20])
def test_the_interval_is_students(runs: int) -> None:
    ours, theirs = np.random.default_rng(runs).normal(size=(2, runs))
    gain = gain_of(ours.tolist(), theirs.tolist())
    expected = stats.ttest_rel(ours, theirs).confidence_interval(0.95)
    assert (gain.low, gain.high) == pytest.approx((expected.low, expected.high))
    assert gain.mean == pytest.approx((gain.low + gain.high) / 2)
