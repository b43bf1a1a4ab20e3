"""Floors compare whole lots with whole lots, as the split into training and held-out lots does."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from fabgan.components.artifacts.manifest import Package, Split
from fabgan.components.artifacts.packages import Packages
from fabgan.components.measures.comparison import MEASURES
from fabgan.components.measures.features import Features
from fabgan.components.measures.floors import DEALS, SPLITS, lot_deals, lot_splits
from fabgan.components.measures.real import divided

PER_LOT = 6


def package(lot: str, product: str, split: Split, number: int = 0) -> Package:
    name = f"{lot}-{number}"
    return Package(name, name, "", None, lot, product, split, [], 0, 0, {}, {}, {})


def packages(held_out: dict[str, tuple[int, int]]) -> list[Package]:
    """Return the packages of products with so many lots, of which so many are held out."""
    return [
        package(f"{product}{lot}", product, "held_out" if lot < out else "train", number)
        for product, (lots, out) in held_out.items()
        for lot in range(lots)
        for number in range(PER_LOT)
    ]


LISTED = packages({"a": (6, 2), "b": (4, 1), "c": (1, 0)})


def lots_of(listed: Sequence[Package], mask_N: Tensor) -> Counter[str]:
    return Counter(package.lot for package, chosen in zip(listed, mask_N.tolist(), strict=True) if chosen)


def test_whole_lots_are_drawn_and_the_others_are_the_rest() -> None:
    splits = list(lot_splits(LISTED, 1))
    assert len(splits) == SPLITS
    for ours_N, others_N in splits:
        assert torch.equal(ours_N, ~others_N)
        assert set(lots_of(LISTED, ours_N).values()) == set(lots_of(LISTED, others_N).values()) == {PER_LOT}


def test_a_lot_of_several_products_is_drawn_for_one_of_them_alone() -> None:
    """Photographs of several products may lie in a folder each lot."""
    shared = [replace(one, lot=one.lot[1:]) for one in packages(dict.fromkeys("abc", (2, 1)))]
    for ours_N, others_N in lot_splits(shared, 1):
        for mask_N in (ours_N, others_N):
            chosen = Counter(one.product for one, in_it in zip(shared, mask_N.tolist(), strict=True) if in_it)
            assert chosen == dict.fromkeys("abc", PER_LOT)


def test_of_every_product_as_many_lots_are_drawn_as_are_held_out() -> None:
    for _, others_N in lot_splits(LISTED, 1):
        assert Counter(lot[0] for lot in lots_of(LISTED, others_N)) == {"a": 2, "b": 1}


def test_all_lots_of_a_product_take_their_turn() -> None:
    drawn = {lot for _, others_N in lot_splits(LISTED, 1) for lot in lots_of(LISTED, others_N)}
    assert drawn == {*(f"a{lot}" for lot in range(6)), *(f"b{lot}" for lot in range(4))}


def test_the_seed_alone_draws_the_lots() -> None:
    def drawn(seed: int, listed: list[Package]) -> list[frozenset[str]]:
        return [frozenset(lots_of(listed, others_N)) for _, others_N in lot_splits(listed, seed)]

    assert drawn(1, LISTED) == drawn(1, LISTED) == drawn(1, LISTED[::-1])
    assert drawn(1, LISTED) != drawn(2, LISTED)


def test_lots_are_dealt_out_whole_and_every_product_to_all_parts() -> None:
    deals = list(lot_deals(LISTED, 1))
    assert len(deals) == DEALS
    for parts in deals:
        assert torch.equal(torch.stack(parts).sum(dim=0), torch.ones(len(LISTED), dtype=torch.int64))
        for part_N in parts:
            lots = lots_of(LISTED, part_N)
            assert set(lots.values()) == {PER_LOT}
            assert Counter(lot[0] for lot in lots) >= Counter({"a": 1, "b": 1})
    assert len({tuple(parts[0].tolist()) for parts in deals}) > 1


def test_fewer_than_four_lots_cannot_be_dealt_out() -> None:
    assert not list(lot_deals(packages({"a": (2, 1), "b": (1, 0)}), 1))


def features(lots: Sequence[int], spread: float) -> Features:
    """Return random features around the middles of lots, which are `spread` apart."""
    stream = torch.Generator().manual_seed(1)

    def drawn(*shape: int) -> Tensor:
        middles = torch.randn(max(lots) + 1, *shape, generator=stream, dtype=torch.float64)
        return torch.randn(len(lots), *shape, generator=stream, dtype=torch.float64) + spread * middles[list(lots)]

    whole, patches, powers = drawn(16), drawn(4, 16), (drawn(5), drawn(10), drawn(3))
    return Features(whole, patches, *powers, drawn(2, 2), drawn(), drawn(64, 64), drawn(4, 3, 8, 8))


def floors(features: Features, listed: list[Package]) -> dict[str, float]:
    real = divided(features, Packages(Path(), 64, listed), 1)
    found = real.floors(real.group_size)
    several = len({package.product for package in listed}) > 1
    names = [name for name in MEASURES if several or name != "recall_worst_product"]
    assert {name: len(values) for name, values in found.items()} == dict.fromkeys(names, SPLITS)
    return {name: float(values.median()) for name, values in found.items()}


def test_lots_that_differ_have_a_higher_floor_than_images_drawn_at_random() -> None:
    listed = packages({"a": (10, 3), "b": (10, 3)})
    lots = [int(at) // PER_LOT for at in range(len(listed))]
    order = torch.randperm(len(listed), generator=torch.Generator().manual_seed(1)).tolist()
    at_random = [replace(package, lot=listed[place].lot) for package, place in zip(listed, order, strict=True)]
    whole, mixed = (floors(features(lots, 2), each) for each in (listed, at_random))
    for name in ("kernel_distance", "kernel_distance_patches", "frechet_distance", "spectrum_db", "lattice_db"):
        assert whole[name] > 1.3 * mixed[name], name
    for name in ("precision", "recall", "coverage"):
        assert whole[name] < mixed[name] - 0.1, name


def test_lots_that_are_alike_have_the_floor_of_images_drawn_at_random() -> None:
    listed = packages({"a": (10, 3)})
    lots = [at // PER_LOT for at in range(len(listed))]
    alike, different = (floors(features(lots, spread), listed) for spread in (0, 2))
    assert abs(alike["kernel_distance"]) < 0.2 * different["kernel_distance"]
    assert alike["recall"] > 0.8 > different["recall"] + 0.2


def test_real_images_are_those_of_the_split_and_groups_are_as_large_as_the_smallest_one() -> None:
    listed = [*packages({"a": (4, 1)}), package("a9", "a", "train")]
    every = features([0] * len(listed), 0)
    real = divided(every, Packages(Path(), 64, listed), 1)
    assert torch.equal(real.held_out.whole_NF, every.whole_NF[:PER_LOT])
    assert torch.equal(real.training.whole_NF, every.whole_NF[PER_LOT:])
    assert real.group_size == len(listed) - PER_LOT


def test_floors_are_those_of_as_many_images_as_are_asked_for() -> None:
    listed = packages({"a": (10, 3)})
    every = features([0] * len(listed), 0)
    real, other = (divided(every, Packages(Path(), 64, listed), seed) for seed in (1, 2))
    few, many = (float(real.floors(size)["frechet_distance"].median()) for size in (6, real.group_size))
    assert few > 1.5 * many
    assert torch.equal(real.floors(6)["recall"], real.floors(6)["recall"])
    assert not torch.equal(real.floors(6)["kernel_distance"], other.floors(6)["kernel_distance"])
