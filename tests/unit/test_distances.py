"""Distances between sets of features are those of their definitions, and neighbourhoods see what lacks."""

import math
from collections.abc import Callable, Sequence
from statistics import mean

import pytest
import scipy.linalg  # type: ignore[import-untyped]
import torch
from torch import Tensor

from fabgan.model.measures.distances import (
    above,
    frechet_distance,
    kernel_distance,
    neighbourhoods,
    separation,
    separation_of_folds,
)


def stream(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def normal(count: int, features: int, seed: int = 1) -> Tensor:
    return torch.randn(count, features, generator=stream(seed), dtype=torch.float64)


def test_kernel_distance_of_two_pairs_is_the_one_by_hand() -> None:
    a, b = torch.tensor([[1.0, 0.0], [1.0, 2.0]]), torch.tensor([[0.0, 2.0], [4.0, 0.0]])
    within_a, within_b = (1 / 2 + 1) ** 3, (0 / 2 + 1) ** 3
    between = ((0 / 2 + 1) ** 3 + (4 / 2 + 1) ** 3 + (4 / 2 + 1) ** 3 + (4 / 2 + 1) ** 3) / 4
    assert kernel_distance(a, b) == pytest.approx(within_a + within_b - 2 * between)


def test_kernel_distance_of_one_distribution_to_itself_is_zero_on_average_for_few_samples_and_many() -> None:
    for count in (4, 40):
        found = torch.tensor(
            [kernel_distance(normal(count, 8, seed), normal(count, 8, 1000 + seed)) for seed in range(1, 401)]
        )
        error = float(found.std()) / len(found) ** 0.5
        assert abs(float(found.mean())) < 3 * error
        assert 0.2 < float((found < 0).double().mean()) < 0.8


def test_patches_of_one_sample_are_not_compared_with_each_other() -> None:
    """Patches that repeat each other say no more than one of them, so the distance stays the same, and unbiased."""
    a, b = normal(20, 5), normal(30, 5, 2)
    repeated = kernel_distance(a[:, None].expand(-1, 4, -1), b[:, None].expand(-1, 3, -1))
    assert repeated == pytest.approx(kernel_distance(a, b))


def test_kernel_distance_of_two_pairs_of_samples_with_two_patches_each_is_the_one_by_hand() -> None:
    """With one feature, the mean kernel of some pairs of numbers x and y is that of (x y + 1)^3."""
    a, b = [(0.0, 1.0), (2.0, -1.0)], [(1.0, 1.0), (3.0, 0.0)]

    def mean_kernel(xs: Sequence[float], ys: Sequence[float]) -> float:
        return mean((x * y + 1) ** 3 for x in xs for y in ys)

    expected = mean_kernel(*a) + mean_kernel(*b) - 2 * mean_kernel([*a[0], *a[1]], [*b[0], *b[1]])
    assert kernel_distance(torch.tensor(a)[..., None], torch.tensor(b)[..., None]) == pytest.approx(expected)


def test_kernel_distance_of_different_sets_grows_with_their_shift() -> None:
    near, far = (kernel_distance(normal(200, 8), normal(200, 8, 2) + shift) for shift in (0.5, 1.0))
    assert 0.1 < near < far / 2


def test_kernel_distance_is_symmetric_for_sets_of_two_sizes() -> None:
    a, b = normal(20, 5), 2 * normal(30, 5, 2)
    assert kernel_distance(a, b) == pytest.approx(kernel_distance(b, a))


@pytest.mark.parametrize("measure", [kernel_distance, neighbourhoods])
def test_one_sample_is_no_set(measure: Callable[[Tensor, Tensor], object]) -> None:
    for a, b in ((torch.zeros(1, 3), torch.zeros(5, 3)), (torch.zeros(5, 3), torch.zeros(1, 3))):
        with pytest.raises(ValueError, match="at least two samples"):
            measure(a, b)


@pytest.mark.parametrize(("count", "others"), [(12, 9), (30, 200), (300, 25), (200, 400)])
def test_frechet_distance_is_the_one_with_the_root_of_the_covariances(count: int, others: int) -> None:
    """With fewer samples than features the covariances are singular."""
    features = 40
    mixing = normal(features, features, 3) / features**0.5
    a, b = normal(count, features) @ mixing, 1.5 * normal(others, features, 2) + 0.3
    root = scipy.linalg.sqrtm(torch.cov(a.T).numpy() @ torch.cov(b.T).numpy())
    spread = float(torch.cov(a.T).trace() + torch.cov(b.T).trace()) - 2 * float(root.trace().real)
    expected = float((a.mean(dim=0) - b.mean(dim=0)).square().sum()) + spread
    assert frechet_distance(a, b) == pytest.approx(expected, rel=1e-6)


def test_frechet_distance_of_shifted_and_scaled_gaussians_is_its_closed_form() -> None:
    a = normal(500, 4)
    scales, shift = torch.tensor([1.0, 2.0, 0.5, 3.0]), torch.tensor([1.0, 0.0, -2.0, 0.0])
    a = torch.linalg.qr(a - a.mean(dim=0)).Q * 499**0.5  # its covariance is exactly the unit matrix
    expected = (1 + 4) + (0 + 1 + 0.25 + 4)
    assert frechet_distance(a, a * scales + shift) == pytest.approx(expected)


@pytest.mark.parametrize("value", [torch.nan, torch.inf])
def test_features_that_are_not_finite_are_at_no_finite_distance(value: float) -> None:
    a, broken = normal(20, 4), normal(30, 4, 2)
    broken[3, 1] = value
    assert not math.isfinite(frechet_distance(a, broken))
    assert not math.isfinite(kernel_distance(a, broken))


def test_equal_sets_lie_in_each_others_neighbourhoods() -> None:
    a = normal(60, 3)
    found = neighbourhoods(a, a)
    assert (found.precision, found.recall, found.coverage) == (1, 1, 1)
    assert found.density == pytest.approx(1.2)  # its K neighbours' and its own


def test_density_of_other_real_samples_is_about_one() -> None:
    assert neighbourhoods(normal(500, 3), normal(500, 3, 2)).density == pytest.approx(1, abs=0.15)


def test_sets_far_apart_lie_in_none_of_each_others_neighbourhoods() -> None:
    found = neighbourhoods(normal(60, 3) + 100, normal(60, 3, 2))
    assert (found.precision, found.recall, found.density, found.coverage) == (0, 0, 0, 0)


def test_a_set_that_has_one_of_two_modes_is_precise_and_lacks_half() -> None:
    mode = normal(60, 3)
    found = neighbourhoods(mode, torch.cat([mode, mode + 100]))
    assert (found.precision, found.recall, found.coverage) == (1, 0.5, 0.5)


def test_a_set_of_which_half_is_strange_has_half_the_precision_and_lacks_nothing() -> None:
    mode = normal(60, 3)
    found = neighbourhoods(torch.cat([mode, mode + 100]), mode)
    assert (found.precision, found.recall, found.coverage) == (0.5, 1, 1)
    assert found.density == pytest.approx(0.6)


def test_a_neighbourhood_reaches_to_the_fifth_nearest_sample() -> None:
    real = torch.arange(6.0)[:, None]  # from 0, the fifth nearest lies at 5
    inside, outside = (torch.full((6, 1), at) for at in (-4.9, -5.1))
    assert [neighbourhoods(points, real).precision for points in (inside, outside)] == [1, 0]


def test_separation_is_how_often_a_positive_score_is_above_a_negative_one() -> None:
    low, high = torch.tensor([1.0, 2.0, 3.0]), torch.tensor([4.0, 5.0])
    assert (separation(high, low), separation(low, high)) == (1, 0)
    assert separation(torch.tensor([0.0, 2.5, 9.0]), torch.tensor([1.0, 3.0])) == pytest.approx((0 + 1 + 2) / 6)


def test_separation_counts_ties_as_half_and_scores_of_one_distribution_as_chance() -> None:
    assert separation(torch.ones(5), torch.ones(7)) == 0.5
    assert separation(torch.tensor([1.0, 2.0]), torch.tensor([2.0])) == 0.25
    assert separation(normal(1000, 1)[:, 0], normal(1000, 1, 2)[:, 0]) == pytest.approx(0.5, abs=0.04)


def test_the_standard_error_of_folds_is_how_far_their_mean_varies_with_the_samples() -> None:
    """Both folds test their own half of the positives, and all negatives, which score nearly alike in them."""
    drawn, found = stream(), []
    for _ in range(400):
        positive_N, negative_M = (torch.randn(count, generator=drawn) for count in (200, 30))
        halves = (0.5 + positive_N).tensor_split(2)
        folds = [above(half_N, negative_M + 0.3 * torch.randn(30, generator=drawn)) for half_N in halves]
        found.append(separation_of_folds(folds))
    values, errors = torch.tensor(found).unbind(dim=1)
    assert float(errors.square().mean().sqrt()) == pytest.approx(float(values.std()), rel=0.1)


def test_the_separation_of_one_fold_is_that_of_its_scores() -> None:
    positive_N, negative_M = normal(20, 1)[:, 0] + 0.5, normal(30, 1, 2)[:, 0]
    assert separation_of_folds([above(positive_N, negative_M)])[0] == pytest.approx(separation(positive_N, negative_M))
