"""Generated images that repeat one another: a generator that makes few different images, many times each.

Dimensions: N images, F features.
"""

import torch
from torch import Tensor

from fabgan.model.streams import random_stream

from .features import Features

CLOSEST = 0.01
"""Share of the real images that count as repeated: the closest ones, such as photographs of one second."""
SUBSETS = 8


class Repetition:
    """How close real images are to one another."""

    def __init__(self, real: Features) -> None:
        self._size = len(real)
        self._repeated_from = _nearest(real.whole_NF).quantile(CLOSEST)

    def share(self, generated: Features, seed: int) -> float:
        """Return the share of generated images that are as close to another one as the closest real ones are.

        The more images there are, the closer they lie. So random subsets of at most as many as there are real ones are
        compared. It is not a number if a feature is none.
        """
        if not generated.whole_NF.isfinite().all():
            return torch.nan
        size = min(self._size, len(generated))
        drawn = (generated.drawn(size, random_stream(seed, "repetition", at)) for at in range(SUBSETS))
        close = [(_nearest(one.whole_NF) <= self._repeated_from).double().mean() for one in drawn]
        return float(torch.stack(close).mean())


def _nearest(x_NF: Tensor) -> Tensor:
    """Return how far each image is from the nearest other one. Equal ones are at 0."""
    exact = "donot_use_mm_for_euclid_dist"
    return torch.cdist(x_NF, x_NF, compute_mode=exact).fill_diagonal_(torch.inf).amin(dim=1)
