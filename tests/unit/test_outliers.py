"""Single images that are unlike all real ones are counted, and lots that differ from each other are not."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fabgan.components.measures.features import Features
from fabgan.components.measures.outliers import Distances

LOTS, PER_LOT = 8, 6
LOTS_N = torch.arange(LOTS * PER_LOT) // PER_LOT
SPLITS = [(first + 2 <= LOTS_N, (first <= LOTS_N) & (first + 2 > LOTS_N)) for first in range(3)]


def features(count: int, seed: int, shift: Tensor | None = None) -> Features:
    """Return random features; `shift` is added to those of each image."""
    stream = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(count, *shape, generator=stream, dtype=torch.float64)

    moved = torch.zeros(count, 1, dtype=torch.float64) if shift is None else shift.double()[:, None]
    powers = drawn(10), drawn(20), drawn(3)
    whole, patches = drawn(16) + moved, drawn(4, 16) + moved[..., None]
    return Features(whole, patches, *powers, drawn(2, 2), drawn(), drawn(8, 8), drawn(4, 3, 8, 8))


@pytest.fixture
def distances() -> Distances:
    return Distances(features(LOTS * PER_LOT, 1), LOTS_N)


def test_images_like_the_real_ones_are_no_outliers(distances: Distances) -> None:
    assert distances.share_of_outliers(features(40, 2)) <= 0.15


def test_images_far_from_all_are_counted_one_by_one(distances: Distances) -> None:
    shift = torch.zeros(40)
    shift[:7] = 20
    spoiled, clean = (distances.share_of_outliers(features(40, 2, one)) for one in (shift, None))
    assert spoiled - clean == pytest.approx(7 / 40, abs=0.06)


def test_a_single_part_that_is_unlike_all_makes_an_outlier(distances: Distances) -> None:
    generated = features(40, 2)
    patches = generated.patches_NPF.clone()
    patches[:10, 3] += 20
    spoiled = distances.share_of_outliers(replace(generated, patches_NPF=patches))
    assert spoiled - distances.share_of_outliers(generated) == pytest.approx(10 / 40, abs=0.06)


def test_lots_far_from_each_other_widen_what_counts_as_like() -> None:
    apart = Distances(features(LOTS * PER_LOT, 1, 5.0 * LOTS_N), LOTS_N)
    assert apart.share_of_outliers(features(40, 2, torch.full((40,), 7.0))) == 0
    assert apart.share_of_outliers(features(40, 2, torch.full((40,), 60.0))) == 1


def test_the_floor_is_the_share_of_lots_beside_other_lots() -> None:
    alike, one_far = features(LOTS * PER_LOT, 1), features(LOTS * PER_LOT, 1, 20.0 * (LOTS_N == 7))
    assert Distances(alike, LOTS_N).floor(SPLITS).max() < 0.3
    assert (Distances(one_far, LOTS_N).floor(SPLITS) >= PER_LOT / (6 * PER_LOT) - 0.01).all()


@pytest.mark.parametrize("field", ["whole_NF", "patches_NPF"])
def test_a_distance_that_is_no_number_is_no_share(distances: Distances, field: str) -> None:
    generated = features(10, 2)
    broken = getattr(generated, field).clone()
    broken[3] = torch.nan
    assert distances.share_of_outliers(replace(generated, **{field: broken})) != 0
    assert torch.tensor(distances.share_of_outliers(replace(generated, **{field: broken}))).isnan()
