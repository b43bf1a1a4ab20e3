"""Single images that are unlike all real ones are counted, and lots that differ from each other are not."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from fabgan.components.measures.features import Features
from fabgan.components.measures.outliers import NEW_LOTS, ODD_SHARE, Distances

LOTS, PER_LOT = 8, 6
LOTS_N = torch.arange(LOTS * PER_LOT) // PER_LOT
ONE_PRODUCT_N = torch.zeros_like(LOTS_N)
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
    return Distances(features(LOTS * PER_LOT, 1), LOTS_N, ONE_PRODUCT_N)


def share(distances: Distances, generated: Features) -> float:
    return distances.outliers(generated).beyond


def test_images_like_the_real_ones_are_no_outliers(distances: Distances) -> None:
    assert share(distances, features(40, 2)) <= 0.15


def test_images_far_from_all_are_counted_one_by_one(distances: Distances) -> None:
    shift = torch.zeros(40)
    shift[:7] = 20
    spoiled, clean = (share(distances, features(40, 2, one)) for one in (shift, None))
    assert spoiled - clean == pytest.approx(7 / 40, abs=0.06)


def test_a_single_part_that_is_unlike_all_makes_an_outlier(distances: Distances) -> None:
    generated = features(40, 2)
    patches = generated.patches_NPF.clone()
    patches[:10, 3] += 20
    spoiled = share(distances, replace(generated, patches_NPF=patches))
    assert spoiled - share(distances, generated) == pytest.approx(10 / 40, abs=0.06)


def test_lots_far_from_each_other_widen_what_counts_as_like() -> None:
    apart = Distances(features(LOTS * PER_LOT, 1, 5.0 * LOTS_N), LOTS_N, ONE_PRODUCT_N)
    assert share(apart, features(40, 2, torch.full((40,), 7.0))) == 0
    assert share(apart, features(40, 2, torch.full((40,), 60.0))) == 1


def test_the_floor_is_the_share_of_lots_beside_other_lots() -> None:
    alike, one_far = (
        Distances(features(LOTS * PER_LOT, 1, shift), LOTS_N, ONE_PRODUCT_N)
        for shift in (None, 20.0 * (LOTS_N == LOTS - 1))
    )
    assert alike.floor(SPLITS).max() < 0.3
    last_N = LOTS_N >= LOTS - 2
    assert one_far.floor([(~last_N, last_N)]).tolist() == pytest.approx([0.5], abs=0.2)


def floor_by_pairs(real: Features, products_N: Tensor, known_N: Tensor, new_N: Tensor) -> float:
    """Return the share that the plain rule finds, which looks at all pairs of images."""
    count, flat = len(real), real.patches_NPF.flatten(0, 1)
    patches_NPN = torch.cdist(flat, flat).view(count, -1, count, real.patches_NPF.shape[1]).amin(dim=3)
    other_NN = LOTS_N[:, None] != LOTS_N
    alike_NN = other_NN & (products_N[:, None] == products_N)
    compared_NN = (alike_NN if alike_NN[known_N][:, known_N].any() else other_NN)[known_N][:, known_N]
    outside_N = torch.zeros(int(new_N.sum()), dtype=torch.bool)
    for distance_NPN in (torch.cdist(real.whole_NF, real.whole_NF)[:, None], patches_NPN):
        known_NPN = distance_NPN[known_N][..., known_N].masked_fill(~compared_NN[:, None], torch.inf)
        nearest_N = known_NPN.amin(dim=2).amax(dim=1)
        reach = NEW_LOTS * nearest_N[nearest_N.isfinite()].quantile(1 - ODD_SHARE, interpolation="lower")
        outside_N |= distance_NPN[new_N][..., known_N].amin(dim=2).amax(dim=1) > reach
    return float(outside_N.double().mean())


@pytest.mark.parametrize("products_N", [ONE_PRODUCT_N, LOTS_N // 3, LOTS_N], ids=["one", "three", "one a lot"])
def test_the_nearest_images_of_lots_give_the_floor_of_all_pairs(products_N: Tensor) -> None:
    real = features(len(LOTS_N), 1, 0.3 * LOTS_N + 2.0 * products_N)
    found = Distances(real, LOTS_N, products_N).floor(SPLITS).tolist()
    assert found == [floor_by_pairs(real, products_N, *split) for split in SPLITS]
    assert max(found) > 0


def test_lots_beside_a_single_lot_have_no_floor(distances: Distances) -> None:
    first_N = LOTS_N == 0
    assert len(distances.floor([(first_N, ~first_N)])) == 0


def test_one_odd_real_image_hides_no_garbage() -> None:
    odd = torch.zeros(LOTS * PER_LOT)
    odd[5] = 40
    found = Distances(features(LOTS * PER_LOT, 1, odd), LOTS_N, ONE_PRODUCT_N)
    garbage = torch.zeros(40)
    garbage[:7] = -20
    spoiled = found.outliers(features(40, 2, garbage))
    assert spoiled.beyond >= spoiled.far == pytest.approx(7 / 40)


def test_a_product_of_one_lot_hides_no_garbage() -> None:
    products_N = (LOTS_N == LOTS - 1).long()
    found = Distances(features(LOTS * PER_LOT, 1, 40.0 * products_N), LOTS_N, products_N)
    garbage = torch.zeros(40)
    garbage[:7] = -20
    assert found.outliers(features(40, 2, garbage)).far == pytest.approx(7 / 40)


@pytest.mark.parametrize("field", ["whole_NF", "patches_NPF"])
def test_a_distance_that_is_no_number_is_no_share(distances: Distances, field: str) -> None:
    generated = features(10, 2)
    broken = getattr(generated, field).clone()
    broken[3] = torch.nan
    assert share(distances, replace(generated, **{field: broken})) != 0
    assert torch.tensor(share(distances, replace(generated, **{field: broken}))).isnan()
