"""Kinds: clusters of the training images, for the generator to cover one by one.

What clustering finds conditions a generator as labels would (self-conditioned GANs, Liu et al. 2020, arXiv:2006.10728).
Packages lie upright and in the middle, so thumbnails tell products, and what light makes of them, apart. With class
labels, each class is divided by itself.

Dimensions: N images, C channels, H W pixels, P values of a thumbnail.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from fabgan.model.pixels import thumbnails

from ..artifacts.packages import Labels

FEWEST_IMAGES = 3
"""A smaller cluster is no kind: G would learn these images one by one."""
STARTS = 10
"""Of k-means; the best is kept."""


@dataclass(frozen=True)
class Kinds:
    """Which kind each training image is of."""

    numbers_N: Tensor
    """Of the images, int64, counted from 0."""
    class_of_kind: list[int]
    """The number of the class of each kind; all 0 without labels."""

    @property
    def shares(self) -> list[float]:
        """How often each kind occurs."""
        return [int(count) / len(self.numbers_N) for count in self.numbers_N.bincount()]


def find_kinds(x_NCHW: Tensor, labels: Labels | None, max_kinds: int, min_images_per_kind: int) -> Kinds:
    """Return the kinds of images, uint8: the same for the same images on the same type of processor.

    There are at most `max_kinds`, of which each class has its share and at least one, and no more than leave each
    `min_images_per_kind` images on average.
    """
    if max_kinds == 1 and labels is None:
        return Kinds(torch.zeros(len(x_NCHW), dtype=torch.int64), [0])
    seen_NP = thumbnails(x_NCHW)
    labels = labels or Labels([""], torch.zeros(len(x_NCHW), dtype=torch.int64))
    numbers_N, class_of_kind = torch.empty_like(labels.numbers_N), list[int]()
    for label, share in enumerate(labels.shares):
        of_class_N = labels.numbers_N == label
        found_N = _clusters(seen_NP[of_class_N].double(), round(max_kinds * share), min_images_per_kind)
        numbers_N[of_class_N] = found_N + len(class_of_kind)
        class_of_kind += [label] * (int(found_N.max()) + 1)
    return Kinds(numbers_N, class_of_kind)


def _clusters(seen_NP: Tensor, most: int, least_images: int) -> Tensor:
    """Return the number of each image's cluster, N, by k-means (Lloyd 1982, doi:10.1109/TIT.1982.1056489)."""
    clusters = KMeans(max(min(most, len(seen_NP) // least_images), 1), n_init=STARTS, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer different images than clusters: some stay empty
        distances_NK = clusters.fit_transform(seen_NP.numpy())
    filled_K = np.bincount(clusters.labels_, minlength=clusters.n_clusters) >= min(FEWEST_IMAGES, len(seen_NP))
    distances_NK[:, ~filled_K] = np.inf
    _, numbers_N = np.unique(distances_NK.argmin(axis=1), return_inverse=True)
    return torch.from_numpy(numbers_N)
