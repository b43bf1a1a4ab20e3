"""A small network tells generated from real patches if it can, and its score says which images it told."""

import pytest
import torch
from torch import Tensor

from fabgan.components.measures.two_sample import told_apart
from fabgan.model.measures.classifier import Classifier
from fabgan.model.measures.distances import separation

NO_FLOOR = torch.zeros(0)


def patches(count: int, seed: int, sigma: float = 40.0, channels: int = 3) -> Tensor:
    """Return patches of noise, N x P x C x R x R uint8."""
    stream = torch.Generator().manual_seed(seed)
    return (128 + sigma * torch.randn(count, 4, channels, 32, 32, generator=stream)).clamp(0, 255).to(torch.uint8)


def trained(generated: Tensor, real: Tensor, seed: int) -> Classifier:
    classifier = Classifier(generated.shape[2], seed)
    classifier.train(generated, real)
    return classifier


@pytest.mark.parametrize("channels", [1, 3])
def test_other_texture_is_told_from_real_texture(channels: int) -> None:
    classifier = trained(patches(20, 1, 25, channels), patches(30, 2, 40, channels), 1)
    new, real = classifier.scores(patches(10, 3, 25, channels)), classifier.scores(patches(15, 4, 40, channels))
    assert new.shape == (10,)
    assert separation(new, real) > 0.99


def test_the_seed_alone_determines_a_classifier() -> None:
    ours, theirs, new = patches(6, 1, 25), patches(6, 2), patches(4, 3)
    first, again, other = (trained(ours, theirs, seed).scores(new) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other)


def test_training_leaves_the_global_random_state_alone() -> None:
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    trained(patches(3, 1), patches(3, 2), 1)
    assert torch.equal(torch.rand(3), expected)


def test_images_that_are_as_real_are_not_told_apart() -> None:
    check, scores_N = told_apart(patches(60, 1), patches(60, 2), patches(60, 3), NO_FLOOR, 0.5, 1)
    assert check.value == pytest.approx(0.5, abs=0.15)
    assert check.deviation == pytest.approx((1 / 12 / 60 + 1 / 12 / 60) ** 0.5, rel=0.2)
    assert check.passed
    assert (check.floor, check.at_most) == (None, 0.75)
    assert scores_N.shape == (60,)


def test_images_of_other_texture_are_told_apart_and_refused() -> None:
    check, _ = told_apart(patches(40, 1, 25), patches(40, 2), patches(40, 3), NO_FLOOR, 0.5, 1)
    assert check.value == pytest.approx(1, abs=0.01)
    assert not check.passed


def test_scores_stand_in_the_order_of_the_images_and_the_worst_ones_stand_out() -> None:
    mixed = patches(40, 1)
    mixed[[5, 30]] = patches(2, 9, 10)
    mixed[::4] = patches(10, 8, 32)
    _, scores_N = told_apart(mixed, patches(40, 2), patches(40, 3), NO_FLOOR, 0.5, 1)
    assert scores_N[1:20:4].mean() < scores_N[:20:4].mean()
    assert scores_N[21::4].mean() < scores_N[20::4].mean()


def test_the_limit_lies_on_the_way_from_the_highest_floor_to_certainty() -> None:
    floor = torch.tensor([0.4, 0.7, 0.5])
    check, _ = told_apart(patches(6, 1), patches(6, 2), patches(6, 3), floor, 0.5, 1)
    assert check.floor == pytest.approx(0.5)
    assert check.at_most == pytest.approx(0.85)
    low, _ = told_apart(patches(6, 1), patches(6, 2), patches(6, 3), torch.tensor([0.3]), 0.5, 1)
    assert low.at_most == 0.75
    loose, _ = told_apart(patches(6, 1), patches(6, 2), patches(6, 3), floor, 1.0, 1)
    assert loose.at_most == 1
