"""What real lots keep from each other: the floor under every measure.

Photographs of one lot look alike, so halves drawn at random would share lots and seem closer than new photographs are.
A floor therefore compares whole lots with other whole lots of the same products, as the split into training and
held-out lots does, and as a perfect generator would have to be compared.

Dimensions: N images.
"""

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from ..artifacts.manifest import Package

SPLITS = 24
DEALS = 4
PARTS = 4


def lot_splits(listed: Sequence[Package], seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield pairs of masks over images: lots that stand for the generated images, and lots for the held-out ones.

    Of every product, as many lots are drawn as are held out of it.
    """
    held_out, lots = lots_by_product(listed, "held_out"), lots_by_product(listed)
    draw = random.Random(f"{seed} lots")  # noqa: S311 (no cryptography)
    for _ in range(SPLITS):
        drawn = {
            (product, lot)
            for product, found in lots.items()
            for lot in draw.sample(found, len(held_out.get(product, [])))
        }
        other_N = torch.tensor([(package.product, package.lot) in drawn for package in listed])
        yield ~other_N, other_N


def lot_deals(listed: Sequence[Package], seed: int) -> Iterator[tuple[Tensor, ...]]:
    """Yield four masks over images: two parts of the lots to train a classifier with, and two to test it with.

    The lots of every product are dealt out in turn. If there are fewer than four lots, nothing is yielded.
    """
    lots = lots_by_product(listed)
    if sum(map(len, lots.values())) < PARTS:
        return
    draw = random.Random(f"{seed} deals")  # noqa: S311 (no cryptography)
    for _ in range(DEALS):
        order = [(product, lot) for product, found in lots.items() for lot in draw.sample(found, len(found))]
        part_of = {owner: place % PARTS for place, owner in enumerate(order, draw.randrange(PARTS))}
        part_N = torch.tensor([part_of[package.product, package.lot] for package in listed])
        yield tuple(part_N == part for part in range(PARTS))


def lots_by_product(listed: Sequence[Package], split: str | None = None) -> dict[str, list[str]]:
    """Return the lots of each product, in order."""
    found = defaultdict(set)
    for package in listed:
        if split in (None, package.split):
            found[package.product].add(package.lot)
    return {product: sorted(lots) for product, lots in sorted(found.items())}
