"""Generated images that repeat one another: a generator that makes few different images, many times each.

Dimensions: N images, F features.
"""

import torch

from fabgan.model.measures.distances import reach, share
from fabgan.model.streams import random_stream

from .features import Features

CLOSE = 0.5
"""An image repeats another one if they are closer than this, relative to how far real images are from the nearest other
one in the middle. Of photographs a second apart, and of rendered packages, hardly any are."""
SUBSETS = 8


class Repetition:
    """How close real images are to one another."""

    def __init__(self, real: Features) -> None:
        nearest_N = reach(real.whole_NF, neighbours=1)
        self._size, self._repeated_from = len(real), CLOSE * nearest_N.median()
        self.floor = share(nearest_N <= self._repeated_from)
        """The share of the real images that repeat one another, such as equal ones."""

    def share(self, generated: Features, seed: int) -> float:
        """Return the share of generated images that repeat one another.

        The more images there are, the closer they lie. So random subsets of at most as many as there are real ones are
        compared. It is not a number if a feature is none.
        """
        if not generated.whole_NF.isfinite().all():
            return torch.nan
        size = min(self._size, len(generated))
        subsets = SUBSETS if size < len(generated) else 1
        drawn = [generated.drawn(size, random_stream(seed, "repetition", at)) for at in range(subsets)]
        return sum(share(reach(one.whole_NF, neighbours=1) <= self._repeated_from) for one in drawn) / subsets
