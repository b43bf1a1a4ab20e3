"""Kinds: clusters of the training images, which the generator learns one by one.

Clusters condition a generator as labels would (self-conditioned GANs, Liu et al. 2020, arXiv:2006.10728). Packages lie
upright and in the middle, so thumbnails separate products, and lighting within a product. With class labels, each class
is clustered by itself.

Dimensions: N images, C channels, H W pixels, P values of a thumbnail.
"""

import warnings
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from fabgan.model.pixels import thumbnails

from ..artifacts.packages import Labels

MIN_CLUSTER_SIZE = 3
"""A smaller cluster is no kind, because G would memorise its images."""
STARTS = 10
"""Number of starts of k-means. The best result is kept."""


@dataclass(frozen=True)
class Kinds:
    """The kinds of the training images."""

    numbers_N: Tensor
    """The number of the kind of each image, int64, counted from 0."""
    class_of_kind: list[int]
    """The number of the class of each kind; all 0 without labels."""

    @property
    def shares(self) -> list[float]:
        """How often each kind occurs, as a share of all images."""
        return [int(count) / len(self.numbers_N) for count in self.numbers_N.bincount()]


def find_kinds(x_NCHW: Tensor, labels: Labels | None, max_kinds: int, min_images_per_kind: int) -> Kinds:
    """Return the kinds of images, uint8. On one type of processor, the same images have the same kinds.

    Each class has at most its share of `max_kinds`, rounded down, and at least one kind. It has more than one only if
    these have at least `min_images_per_kind` images on average.
    """
    if max_kinds == 1 and labels is None:
        return Kinds(torch.zeros(len(x_NCHW), dtype=torch.int64), [0])
    thumbnails_NP = thumbnails(x_NCHW)
    labels = labels or Labels([""], torch.zeros(len(x_NCHW), dtype=torch.int64))
    numbers_N, class_of_kind = torch.empty_like(labels.numbers_N), list[int]()
    for label in range(len(labels.names)):
        of_class_N = labels.numbers_N == label
        most = max_kinds * int(of_class_N.sum()) // len(x_NCHW)
        found_N = _clusters(thumbnails_NP[of_class_N].double(), most, min_images_per_kind)
        numbers_N[of_class_N] = found_N + len(class_of_kind)
        class_of_kind += [label] * (int(found_N.max()) + 1)
    return Kinds(numbers_N, class_of_kind)


def _clusters(x_NP: Tensor, max_clusters: int, min_images: int) -> Tensor:
    """Return the number of each image's cluster, N, by k-means (Lloyd 1982, doi:10.1109/TIT.1982.1056489)."""
    from sklearn.cluster import KMeans  # takes as long to import as torch, and not every training clusters
    from sklearn.exceptions import ConvergenceWarning

    clusters = KMeans(max(min(max_clusters, len(x_NP) // min_images), 1), n_init=STARTS, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # some clusters stay empty if few images differ
        distances_NK = clusters.fit_transform(x_NP.numpy())
    large_K = np.bincount(clusters.labels_, minlength=clusters.n_clusters) >= min(MIN_CLUSTER_SIZE, len(x_NP))
    distances_NK[:, ~large_K] = np.inf
    _, numbers_N = np.unique(distances_NK.argmin(axis=1), return_inverse=True)
    return torch.from_numpy(numbers_N)
