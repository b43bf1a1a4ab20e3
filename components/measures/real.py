"""Real images as a verdict needs them: their features, their roles, and what their lots keep from each other.

Dimensions: N images.
"""

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import astuple, dataclass
from functools import cached_property

import torch
from torch import Tensor

from fabgan.model.measures.breaks import broken_share
from fabgan.model.measures.copies import CopySearch, Likeness
from fabgan.model.measures.seams import seam_visibility
from fabgan.model.streams import random_stream

from ..artifacts.packages import Packages
from ..artifacts.parallel import in_parallel
from ..core.errors import UserError
from ..core.progress import Progress
from .comparison import compare
from .extractors import Extractor
from .features import PATCHES, Features, extract
from .floors import lot_deals, lot_splits
from .outliers import Distances
from .repetition import Repetition
from .two_sample import floor_of

MIN_HELD_OUT = 2
BATCH = 8
"""Images that are compared with all training images at once."""
ALIKE = 2
"""Training images that tell the pose of an image that may be a copy."""


@dataclass(frozen=True)
class Real:
    """The features of real images."""

    every: Features
    held_out_N: Tensor
    """Which of them are held out."""
    splits: list[tuple[Tensor, Tensor]]
    """Masks of lots that stand for generated images, and of lots that stand for held-out ones."""
    deals: list[tuple[Tensor, ...]]
    """Masks of four parts of the lots, for a classifier."""
    lots_N: Tensor
    """Number of the lot of each image."""
    products_N: Tensor
    """Number of the product of each image."""
    seed: int
    """Draws what is random."""

    @cached_property
    def training(self) -> Features:
        """The images that were trained with."""
        return self.every.chosen(~self.held_out_N)

    @cached_property
    def held_out(self) -> Features:
        """The other images."""
        return self.every.chosen(self.held_out_N)

    @property
    def group_size(self) -> int:
        """Number of images in the smallest group of lots that stand for generated images."""
        return min(int(ours_N.sum()) for ours_N, _ in self.splits)

    @property
    def divisions(self) -> int:
        """Number of splits that differ."""
        return len({tuple(ours_N.tolist()) for ours_N, _ in self.splits})

    @cached_property
    def search(self) -> CopySearch:
        """The training images, to be searched for copies."""
        return CopySearch(self.training.small_NRR)

    def likeness(self, features: Features) -> Likeness:
        """Return how images are like training images."""
        alike_NK = most_alike(features.whole_NF, self.training.whole_NF)
        batches = zip(torch.split(features.small_NRR, BATCH), torch.split(alike_NK, BATCH), strict=True)
        search = self.search
        found = in_parallel(lambda batch: astuple(search.likeness(*batch)), batches)
        return Likeness(*map(torch.cat, zip(*found, strict=True)))

    @cached_property
    def new(self) -> Likeness:
        """How held-out images, which copy nothing, are like training images."""
        return self.likeness(self.held_out)

    @cached_property
    def told_apart(self) -> Tensor:
        """How well a classifier tells lots from other lots, one value for each deal."""
        return floor_of(self.every.texture_NPCRR, self.deals, self.seed)

    @cached_property
    def distances(self) -> Distances:
        """How far the images are from each other."""
        return Distances(self.every, self.lots_N, self.products_N)

    @cached_property
    def outliers(self) -> Tensor:
        """The share of images of lots that are unlike all other lots, one for each split that has other lots."""
        return self.distances.floor(self.splits)

    @cached_property
    def repetition(self) -> Repetition:
        """How close the images are to one another."""
        return Repetition(self.every)

    def seams(self, size: int) -> Tensor:
        """Return SER1 and SER2 of at most `size` images of lots against other lots, one row for each split.

        Few images may show the products in other shares than many. Raises ValueError for flat images.
        """
        differences = self.every.differences_ND2
        found = [
            seam_visibility(differences[ours], differences[others_N]) for ours, others_N in self._sides(size, "seams")
        ]
        return torch.tensor([astuple(seams) for seams in found])

    def broken(self, size: int) -> Tensor:
        """Return the `broken_share` of at most `size` images of lots against other lots, one for each split."""
        breaks = self.every.breaks_N
        found = [broken_share(breaks[ours], breaks[others_N]) for ours, others_N in self._sides(size, "breaks")]
        return torch.tensor(found)

    def floors(self, size: int) -> dict[str, Tensor]:
        """Return the values of each measure of `size` images of lots against other lots, one for each split."""
        if size not in self._floors:
            distances = (PATCHES * size) ** 2
            found = list(in_parallel(self._compared, self._sides(size, "floor"), lambda _: distances))
            self._floors[size] = {name: torch.tensor([values[name] for values in found]) for name in found[0]}
        return self._floors[size]

    def _compared(self, sides: tuple[Tensor, Tensor]) -> dict[str, float]:
        ours, others_N = sides
        return compare(self.every.chosen(ours), self.every.chosen(others_N), self.products_N[others_N])

    def _sides(self, size: int, name: str) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield the places of at most `size` images of lots, drawn at random, and a mask of the other lots.

        There is one pair for each split. `name` tells the random numbers of one measure from those of others.
        """
        for at, (ours_N, others_N) in enumerate(self.splits):
            ours = ours_N.nonzero()[:, 0]
            yield ours[torch.randperm(len(ours), generator=random_stream(self.seed, name, at))[:size]], others_N

    @cached_property
    def _floors(self) -> dict[int, dict[str, Tensor]]:
        return {}


def measure_real(packages: Packages, extractor: Extractor, seed: int, progress: Progress) -> Real:
    """Return the features of real images. Raises UserError for fewer than two held-out images."""
    count = sum(package.split == "held_out" for package in packages.listed)
    if count < MIN_HELD_OUT:
        raise UserError(f"{packages.folder}: only {count} held-out image(s); raise ingest.held_out_share")
    every = extract(packages, extractor, random_stream(seed, "patches", "real"), progress)
    return divided(every, packages, seed)


def divided(every: Features, packages: Packages, seed: int) -> Real:
    """Return real images with their lots, from the features of all of them in the order of `packages`."""
    held_out_N = torch.tensor([package.split == "held_out" for package in packages.listed])
    listed = packages.listed
    return Real(
        every,
        held_out_N,
        list(lot_splits(listed, seed)),
        list(lot_deals(listed, seed)),
        _numbered([(package.product, package.lot) for package in listed]),
        _numbered([package.product for package in listed]),
        seed,
    )


def most_alike(x_NF: Tensor, training_MF: Tensor) -> Tensor:
    """Return the numbers of the training images that are most like each image, by their features: N x K."""
    return torch.cdist(x_NF, training_MF).topk(min(ALIKE, len(training_MF)), largest=False).indices


def _numbered(names: Sequence[Hashable]) -> Tensor:
    """Return a number for each name, counted in the order in which they first come."""
    numbers = {name: number for number, name in enumerate(dict.fromkeys(names))}
    return torch.tensor([numbers[name] for name in names])
