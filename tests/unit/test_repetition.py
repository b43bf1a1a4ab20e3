"""Generated images that repeat one another are counted, whatever real ones do.

Dimensions: N images, F features.
"""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fabgan.components.measures.features import Features
from fabgan.components.measures.repetition import Repetition
from tests.unit.test_outliers import features

REAL = 80


def of_few(different: int, count: int, variation: float = 0.0) -> Features:
    """Return features of so many images, of which only some differ by more than a variation."""
    every = features(count, 3)
    return replace(
        every, whole_NF=features(different, 2).whole_NF[torch.arange(count) % different] + variation * every.whole_NF
    )


def with_pairs(pairs: int) -> Features:
    """Return features of real images, of which some come twice."""
    real = features(REAL, 1)
    whole_NF: Tensor = real.whole_NF.clone()
    whole_NF[:pairs] = whole_NF[-pairs:]
    return replace(real, whole_NF=whole_NF)


@pytest.mark.parametrize(("different", "least"), [(3, 1.0), (16, 0.95), (64, 0.6)])
@pytest.mark.parametrize("variation", [0.0, 0.1])
def test_few_different_images_are_seen_among_many(different: int, least: float, variation: float) -> None:
    assert Repetition(features(REAL, 1)).share(of_few(different, 400, variation), 1) >= least


@pytest.mark.parametrize("real", [12, 20, 40, REAL, 300])
def test_images_that_differ_as_real_ones_do_repeat_nothing(real: int) -> None:
    known = Repetition(features(real, 1))
    assert known.floor <= 0.02
    assert max(known.share(features(400, seed), 1) for seed in range(2, 12)) <= 0.05


def test_real_images_that_come_twice_hide_nothing_and_are_the_floor() -> None:
    known = Repetition(with_pairs(4))
    assert known.floor == pytest.approx(8 / REAL)
    assert known.share(of_few(10, 400, 0.1), 1) > 0.95


def test_a_feature_that_is_no_number_gives_none() -> None:
    broken = features(10, 2)
    broken.whole_NF[3, 2] = torch.nan
    assert torch.tensor(Repetition(features(REAL, 1)).share(broken, 1)).isnan()
