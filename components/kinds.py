"""Kinds: clusters of the training images, for the generator to cover one by one.

What clustering finds conditions a generator as labels would (self-conditioned GANs, Liu et al. 2020, arXiv:2006.10728).
Packages lie upright and in the middle, so shrunk images tell products, and what light makes of them, apart. With class
labels, each class is divided by itself.

Dimensions: N images, C channels, H W pixels, P values of a shrunk image.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from components.dataset import Labels
from model.energy import shrunk

KINDS = 32
LEAST_IMAGES = 10
"""There are no more kinds than leave each so many images, on average."""
SEEN_PX = 32
STARTS = 10
"""Of k-means; the best is kept."""


@dataclass(frozen=True)
class Kinds:
    """Which kind each training image is of."""

    numbers_N: Tensor
    """Of the images, int64, counted from 0."""
    classes: list[int]
    """The number of the class of each kind; all 0 without labels."""

    @property
    def shares(self) -> list[float]:
        """How often each kind occurs."""
        return [int(count) / len(self.numbers_N) for count in self.numbers_N.bincount()]


def find_kinds(x_NCHW: Tensor, labels: Labels | None) -> Kinds:
    """Return the kinds of images, uint8: the same for the same images."""
    seen_NP = torch.cat([shrunk(x_1CHW.float(), SEEN_PX).flatten(1) for x_1CHW in x_NCHW.split(1)])  # type: ignore[no-untyped-call]
    if labels is None:
        numbers_N = _clusters(seen_NP, KINDS)
        return Kinds(numbers_N, [0] * (int(numbers_N.max()) + 1))
    numbers_N, classes = torch.empty_like(labels.numbers_N), list[int]()
    for label, share in enumerate(labels.shares):
        of_class_N = labels.numbers_N == label
        found_N = _clusters(seen_NP[of_class_N], round(KINDS * share))
        numbers_N[of_class_N] = found_N + len(classes)
        classes += [label] * (int(found_N.max()) + 1)
    return Kinds(numbers_N, classes)


def _clusters(seen_NP: Tensor, most: int) -> Tensor:
    """Return the number of each image's cluster, N, by k-means (Lloyd 1982, doi:10.1109/TIT.1982.1056489)."""
    count = max(min(most, len(seen_NP) // LEAST_IMAGES), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different images than clusters: some stay empty
        found_N = KMeans(count, n_init=STARTS, random_state=0).fit_predict(seen_NP.numpy())
    _, numbers_N = np.unique(found_N, return_inverse=True)
    return torch.from_numpy(numbers_N)
