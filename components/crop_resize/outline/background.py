"""What the background looks like, and by how much each place differs from it."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.images import Pixels

BORDER_SHARE = 0.06
"""The strip along the frame's border, of its shorter side, that is mostly background."""
ROUNDS = 4
INLIER_SIGMAS = 4.0
MIN_SIGMA = 1.0
"""Lab units: an overexposed background has no noise at all, and then every trace of compression would stand out."""
GRID_STEP = 6
MAD_TO_SIGMA = 1.4826

Map = NDArray[np.float32]


def foreground_residual(work: Pixels) -> Map:
    """Return H x W x 3 (Lab), by how many of the background's standard deviations each cell differs from it.

    The illumination of the background is a quadratic surface in x and y per channel, fitted to the strip along
    the border and then, round after round, to every cell that agrees with it.
    """
    lab = _lab(work)
    sample = lab[::GRID_STEP, ::GRID_STEP].reshape(-1, 3)
    design = _design(*lab.shape[:2])
    coarse = design[::GRID_STEP, ::GRID_STEP].reshape(-1, design.shape[2])
    trusted = _border(*lab.shape[:2])[::GRID_STEP, ::GRID_STEP].ravel()
    for _ in range(ROUNDS):
        chosen = coarse[trusted]
        surface = np.linalg.solve(chosen.T @ chosen, chosen.T @ sample[trusted])
        residual = sample - coarse @ surface
        centre = np.median(residual[trusted], axis=0)
        sigma = np.maximum(MAD_TO_SIGMA * np.median(np.abs(residual[trusted] - centre), axis=0), MIN_SIGMA)
        trusted = (np.abs(residual - centre) < INLIER_SIGMAS * sigma).all(axis=1)
    scaled = (lab - design @ surface - centre) / sigma
    return np.asarray(scaled, np.float32)


def _lab(work: Pixels) -> Map:
    colour = cv2.cvtColor(work, cv2.COLOR_GRAY2RGB) if work.ndim == 2 else work
    lab = cv2.cvtColor(np.asarray(colour, np.float32) / 255, cv2.COLOR_RGB2Lab)
    return np.asarray(lab, np.float32)


def _design(height: int, width: int) -> Map:
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=2).astype(np.float32)


def _border(height: int, width: int) -> NDArray[np.bool_]:
    strip = max(2, round(BORDER_SHARE * min(height, width)))
    border = np.ones((height, width), np.bool_)
    border[strip:-strip, strip:-strip] = False
    return border
