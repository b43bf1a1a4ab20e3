"""How far two sets of features are apart, and how they lie in each other's neighbourhoods.

Dimensions: N and M samples, P patches per sample, F features, K neighbours.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

NEIGHBOURS = 5
EXACT = "donot_use_mm_for_euclid_dist"
"""Equal samples then have distance 0, without rounding errors."""


def kernel_distance(a_NPF: Tensor, b_MPF: Tensor) -> float:
    """Return the kernel distance of two sets of features. It is unbiased, so sets that are alike can be below zero.

    The squared maximum mean discrepancy with the kernel (x.y / F + 1)^3 (Binkowski et al. 2018, arXiv:1801.01401). Each
    sample has the features of P patches, or, without that axis, of one image. Patches of one sample are never compared
    with each other: they are alike without saying anything about the set. Raises ValueError for fewer than two samples.
    """
    if min(len(a_NPF), len(b_MPF)) < 2:
        raise ValueError("a kernel distance needs at least two samples on each side")
    a_NPF, b_MPF = (x.view(len(x), -1, x.shape[-1]) for x in (a_NPF, b_MPF))
    inside = _mean_kernel_of_others(a_NPF) + _mean_kernel_of_others(b_MPF)
    return float(inside - 2 * _kernel(a_NPF.flatten(0, 1), b_MPF.flatten(0, 1)).mean())


def _mean_kernel_of_others(x_NPF: Tensor) -> Tensor:
    count, patches, _ = x_NPF.shape
    flat = x_NPF.flatten(0, 1)
    same = (x_NPF @ x_NPF.transpose(1, 2) / x_NPF.shape[2] + 1) ** 3
    return (_kernel(flat, flat).sum() - same.sum()) / (count * (count - 1) * patches**2)


def _kernel(x_NF: Tensor, y_MF: Tensor) -> Tensor:
    return (x_NF @ y_MF.T / x_NF.shape[1] + 1) ** 3


def frechet_distance(a_NF: Tensor, b_MF: Tensor) -> float:
    """Return the Frechet distance between the Gaussians fitted to two sets of features.

    |mu_a - mu_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^(1/2)) (Dowson and Landau 1982). Let A = X_a / sqrt(N - 1), where X_a
    are the features minus their mean, and B likewise. Then S_a S_b = A^T A B^T B, whose eigenvalues are the squared
    singular values of A B^T. So the last trace is the sum of these, and no F x F matrix is needed. It grows with fewer
    samples.
    It is not a number if a feature is none. Raises ValueError for fewer than two samples.
    """
    if min(len(a_NF), len(b_MF)) < 2:
        raise ValueError("a Frechet distance needs at least two samples on each side")
    mean_a, mean_b = a_NF.mean(dim=0), b_MF.mean(dim=0)
    centred_a, centred_b = ((x - mean) / (len(x) - 1) ** 0.5 for x, mean in ((a_NF, mean_a), (b_MF, mean_b)))
    product_NM = centred_a @ centred_b.T
    if not product_NM.isfinite().all():
        return torch.nan
    overlap = torch.linalg.svdvals(product_NM).sum()
    spread = centred_a.square().sum() + centred_b.square().sum()
    return max(float((mean_a - mean_b).square().sum() + spread - 2 * overlap), 0.0)


@dataclass(frozen=True)
class Neighbourhoods:
    """How two sets of features lie in each other's neighbourhoods. Shares lie between 0 and 1."""

    precision: float
    """Share of generated samples that lie in the neighbourhood of a real one: are they realistic?"""
    recall: float
    """Share of real samples that lie in the neighbourhood of a generated one: does nothing lack?"""
    density: float
    """In how many real neighbourhoods a generated sample lies, relative to K; about 1 for real samples."""
    coverage: float
    """Share of real neighbourhoods that hold a generated sample."""
    shown_M: Tensor
    """Which real samples lie in the neighbourhood of a generated one. `recall` is the share of them."""


def neighbourhoods(generated_NF: Tensor, real_MF: Tensor) -> Neighbourhoods:
    """Return how two sets of features lie in each other's neighbourhoods.

    Precision and recall are of Kynkaanniemi et al. 2019 (arXiv:1904.06991), density and coverage of Naeem et al. 2020
    (arXiv:2002.09797). A neighbourhood reaches to the K-th nearest sample of the same set.
    Raises ValueError for fewer than two samples.
    """
    neighbours = min(NEIGHBOURS, len(generated_NF) - 1, len(real_MF) - 1)
    if neighbours < 1:
        raise ValueError("neighbourhoods need at least two samples on each side")
    reach_of_real_M, reach_of_generated_N = (reach(x, neighbours) for x in (real_MF, generated_NF))
    distances_MN = torch.cdist(real_MF, generated_NF, compute_mode=EXACT)
    in_real_MN = distances_MN <= reach_of_real_M[:, None]
    shown_M = (distances_MN <= reach_of_generated_N).any(dim=1)
    return Neighbourhoods(
        precision=share(in_real_MN.any(dim=0)),
        recall=share(shown_M),
        density=float(in_real_MN.double().sum(dim=0).mean() / neighbours),
        coverage=share(in_real_MN.any(dim=1)),
        shown_M=shown_M,
    )


def lie_among(x_NF: Tensor, others_MF: Tensor) -> Tensor:
    """Return which samples lie in the neighbourhood of one of the others: the share of them is the precision of `x`.

    Raises ValueError for fewer than two others.
    """
    if len(others_MF) < 2:
        raise ValueError("neighbourhoods need at least two samples on each side")
    reach_M = reach(others_MF, min(NEIGHBOURS, len(others_MF) - 1))
    return (torch.cdist(others_MF, x_NF, compute_mode=EXACT) <= reach_M[:, None]).any(dim=0)


def reach(x_NF: Tensor, neighbours: int) -> Tensor:
    """Return the distance of each sample to its K-th nearest other one. Equal ones are at 0."""
    distances_NN = torch.cdist(x_NF, x_NF, compute_mode=EXACT).fill_diagonal_(torch.inf)
    return distances_NN.kthvalue(neighbours, dim=1).values


def share(true_N: Tensor) -> float:
    """Return the share of samples of which something is true."""
    return float(true_N.double().mean())


def separation(positive_N: Tensor, negative_M: Tensor) -> float:
    """Return the area under the ROC curve: how often a positive score is above a negative one; 0.5 is chance."""
    return float(above(positive_N, negative_M).mean())


def above(positive_N: Tensor, negative_M: Tensor) -> Tensor:
    """Return which positive scores are above which negative ones, N x M: 1 is above, 0 below, and 0.5 a tie."""
    return (positive_N[:, None] > negative_M).double() + 0.5 * (positive_N[:, None] == negative_M).double()


def separation_of_folds(folds: Sequence[Tensor]) -> tuple[float, float]:
    """Return the mean area under the ROC curve of some folds, and its standard error (DeLong et al. 1988).

    Each is the result of `above` for a classifier with positives of its own. The negatives are the same in all
    folds, so they count once. There are two or more of both.
    """
    per_negative_M = torch.stack([above_NM.mean(dim=0) for above_NM in folds]).mean(dim=0)
    per_positive_N = torch.cat([above_NM.mean(dim=1) for above_NM in folds])
    variance = sum(float(each.var()) / len(each) for each in (per_negative_M, per_positive_N))
    return float(per_negative_M.mean()), variance**0.5
