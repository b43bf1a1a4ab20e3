"""Training of the defect model on annotated defects."""

import numpy as np

from fabgan.model.defects.networks import DefectConfig, DefectGenerator
from fabgan.model.defects.training import DefectTraining
from fabgan.model.streams import random_stream

from ..core.progress import Progress
from .pool import Pool
from .windows import DefectWindows

BATCH = 12


def trained(pool: Pool, steps: int, seed: int) -> DefectGenerator:
    """Return a generator that was trained for a number of steps. The same seed gives the same weights."""
    windows = DefectWindows(pool, np.random.default_rng([seed, 0]))
    training = DefectTraining.begun(DefectConfig(pool.channels, len(pool.cutouts)), seed)
    progress = Progress("train_defects", steps, "steps")
    for step in range(steps):
        batch = windows.batch(BATCH, np.random.default_rng([seed, 1, step]))
        losses = training.step(batch, random_stream(seed, "defects", step))
        progress.advance(1, f"difference {losses['difference']:.3f}")
    return training.averaged
