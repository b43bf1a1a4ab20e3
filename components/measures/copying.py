"""The checks of copies of training images, and of membership: whether images tell what was trained with.

Dimensions: N images.
"""

import torch
from torch import Tensor

from fabgan.model.measures.copies import Likeness
from fabgan.model.measures.distances import separation

from ..artifacts.verdict import Check, check_of
from .parameters import EvaluateParameters

SMALLEST = 1e-6
ODD_SHARE = 0.02
"""Share of the held-out images, and at least one, that raise no bound: they may be near-duplicates of training ones."""


def copy_checks(excess_2N: Tensor, params: EvaluateParameters) -> list[Check]:
    """Return the checks of copies, from the `excess` of generated images beside new ones, the held-out ones.

    A generated image is a copy if its detail, or that of a part, correlates more with a training image than half way
    from the most alike held-out image, but for odd ones, to an exact copy.
    """
    copied_N, known = copied(excess_2N), is_finite(excess_2N)
    share = float(copied_N.double().mean())
    return [
        check_of(
            "copied_share",
            share if known else None,
            "Share of generated images that copy a training image or part of one, turned or lit anew. Lower is better.",
            at_most=params.max_copied_share,
        ),
        check_of(
            "copied_images",
            float(copied_N.sum()) if known else None,
            "Number of these images. To hand a generator on, there must be none.",
            "exportable",
            at_most=0.0,
        ),
    ]


def membership_checks(training_N: Tensor, held_out_N: Tensor, params: EvaluateParameters) -> list[Check]:
    """Return the checks of membership, from the distances of real images to the nearest generated one."""
    membership, known = separation(-training_N, -held_out_N), is_finite(training_N, held_out_N)
    caught = float((training_N < held_out_N.quantile(0.01, interpolation="lower")).double().mean())
    return [
        check_of(
            "membership_auc",
            membership if known else None,
            "How well the nearest generated image tells training from held-out images. 0.5 is chance, lower is better.",
            "exportable",
            at_most=params.max_membership,
        ),
        check_of(
            "membership_at_1_percent",
            caught if known else None,
            "Share of training images that this finds when at most 1% of held-out ones are suspected. Lower is better.",
            "nothing",
        ),
    ]


def copied(excess_2N: Tensor) -> Tensor:
    """Return which images are copies, by their `excess`."""
    return (excess_2N > 0).any(dim=0)


def excess(made: Likeness, new: Likeness) -> Tensor:
    """Return how far the likeness of images, and that of their parts, lies beyond what counts as a copy: 2 x N.

    1 is an exact copy, and 0 and below is none.
    """
    pairs = ((made.similarity_N, new.similarity_N), (made.part_N, new.part_N))
    return torch.stack([_beyond_half_way(ours_N, theirs_N) for ours_N, theirs_N in pairs])


def _beyond_half_way(made_N: Tensor, new_N: Tensor) -> Tensor:
    half_way = (1 + float(new_N.quantile(1 - ODD_SHARE, interpolation="lower"))) / 2
    return (made_N - half_way) / max(1 - half_way, SMALLEST)


def is_finite(*values: Tensor) -> bool:
    """Return whether all values are finite numbers."""
    return all(bool(torch.isfinite(one).all()) for one in values)
