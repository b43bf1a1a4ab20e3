"""Kinds are clusters of what images look like, each of one class, and there are no more than images can fill."""

from collections import Counter

import pytest
import torch
from torch import Tensor

from fabgan.components.artifacts.packages import Labels
from fabgan.components.train.kinds import MIN_CLUSTER_SIZE, Kinds
from fabgan.components.train.kinds import find_kinds as found_kinds
from fabgan.model.streams import random_stream

KINDS, LEAST_IMAGES = 32, 10
PER_PRODUCT = 2 * LEAST_IMAGES


def find_kinds(x: Tensor, labels: Labels | None) -> Kinds:
    return found_kinds(x, labels, KINDS, LEAST_IMAGES)


def products(size_px: int = 64) -> Tensor:
    """Return images of three products in turn: dark, bright, and one that is dark on the left only; with noise."""
    x = torch.zeros(3, 3, size_px, size_px)
    x[1] = 200
    x[2, ..., size_px // 2 :] = 200
    noise = torch.randint(40, (3 * PER_PRODUCT, *x.shape[1:]), generator=random_stream("noise"))
    return (x.repeat(PER_PRODUCT, 1, 1, 1) + noise).to(torch.uint8)


def test_kinds_are_of_one_product_each_and_the_same_every_time() -> None:
    kinds = find_kinds(products(), None)
    assert len(kinds.shares) == 3 * PER_PRODUCT // LEAST_IMAGES == len(kinds.class_of_kind)
    assert sum(kinds.shares) == pytest.approx(1)
    assert min(kinds.shares) > 0
    of_products = [set(kinds.numbers_N[product::3].tolist()) for product in range(3)]
    assert sum(map(len, of_products)) == len(set.union(*of_products)) == len(kinds.shares)
    assert torch.equal(find_kinds(products(), None).numbers_N, kinds.numbers_N)


def test_every_class_has_kinds_of_its_own_however_rare_it_is() -> None:
    numbers_N = torch.zeros(3 * PER_PRODUCT, dtype=torch.int64)
    numbers_N[-2:] = 1
    kinds = find_kinds(products(), Labels(["good", "missing_ball"], numbers_N))
    assert kinds.class_of_kind == [0] * (len(kinds.shares) - 1) + [1]
    assert len(kinds.shares) > 2
    assert torch.equal(torch.tensor(kinds.class_of_kind)[kinds.numbers_N], numbers_N)


def test_classes_share_the_kinds_that_are_allowed() -> None:
    labels = Labels(["bad", "good"], torch.arange(3 * PER_PRODUCT) % 2)
    assert len(found_kinds(products(), labels, 3, LEAST_IMAGES).shares) <= 3


def test_the_share_of_a_class_is_counted_and_not_rounded() -> None:
    """50 * (29 / 50) is less than 29, as floats are."""
    different_N = torch.arange(50).repeat_interleave(MIN_CLUSTER_SIZE)
    images = torch.randint(256, (50, 1, 32, 32), generator=random_stream("share")).to(torch.uint8)[different_N]
    labels = Labels(["bad", "good"], (different_N >= 29).to(torch.int64))
    assert Counter(found_kinds(images, labels, 50, 1).class_of_kind) == {0: 29, 1: 21}


def test_few_or_equal_images_make_few_kinds_and_many_make_no_more_than_are_meant() -> None:
    assert find_kinds(products()[:5], None).shares == [1.0]
    assert find_kinds(products()[:1].expand(40, -1, -1, -1), None).shares == [1.0]
    many = torch.randint(256, (LEAST_IMAGES * (KINDS + 2), 1, 32, 32), generator=random_stream("many"))
    assert len(find_kinds(many.to(torch.uint8), None).shares) == KINDS


def test_a_few_odd_images_are_no_kind_of_their_own() -> None:
    odd = torch.stack([torch.full((3, 64, 64), value, dtype=torch.uint8) for value in (255, 120)])
    kinds = find_kinds(torch.cat([products(), odd]), None)
    assert int(kinds.numbers_N.bincount().min()) >= MIN_CLUSTER_SIZE
    assert len(find_kinds(odd, None).shares) == 1
