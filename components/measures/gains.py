"""Gains of one way of training over another, from paired runs."""

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit  # type: ignore[import-untyped]

from ..core.parameters import parameters

CONFIDENCE = 0.95


@parameters
class Gain:
    """A mean gain and its confidence interval, of 95% unless another is asked for, by Student's t over the runs."""

    mean: float
    low: float
    high: float


def gain_of(ours: Sequence[float], theirs: Sequence[float], confidence: float = CONFIDENCE) -> Gain:
    """Return the gain of scores over others of the same runs, of which there are two or more."""
    gains = np.subtract(ours, theirs)
    half_width = float(stdtrit(len(gains) - 1, (1 + confidence) / 2)) * gains.std(ddof=1) / len(gains) ** 0.5
    return Gain(float(gains.mean()), float(gains.mean() - half_width), float(gains.mean() + half_width))
