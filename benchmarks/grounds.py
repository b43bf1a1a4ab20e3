"""What packages lie on in composed photographs: float32 images, H x W x 3 (RGB), of 0 to 255."""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Random = np.random.Generator
Canvas = NDArray[np.float32]
Ground = Callable[[int, int, Random], Canvas]


def blotches(height: int, width: int, cells: int, random: Random) -> Canvas:
    """Return smooth noise, H x W, of about -1 to 1, with `cells` blotches along the height."""
    coarse = random.uniform(-1, 1, (cells, max(2, round(cells * width / height)))).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _plain(colour: tuple[int, int, int], grain: float) -> Ground:
    def ground(height: int, width: int, random: Random) -> Canvas:
        fine = random.normal(0, grain, (height // 2, width // 2)).astype(np.float32)
        return np.asarray(cv2.resize(fine, (width, height))[..., None] + np.array(colour), np.float32)

    return ground


def _wood(height: int, width: int, random: Random) -> Canvas:
    streaks = cv2.resize(random.normal(0, 1, (height // 6, 12)).astype(np.float32), (width, height))
    tone = 1 + 0.12 * streaks + 0.1 * blotches(height, width, 4, random)
    return np.asarray(tone[..., None] * np.array((165, 120, 80)), np.float32)


def _cutting_mat(height: int, width: int, random: Random) -> Canvas:
    mat = _plain((40, 105, 85), 3)(height, width, random)
    start, step = random.integers(0, 200), round(height / 9)
    for place in range(int(start) % step, max(height, width), step):
        mat[place : place + 4] = mat[:, place : place + 4] = (150, 175, 140)
    return mat


def _crumpled(height: int, width: int, random: Random) -> Canvas:
    """Return paper whose facets, the cells around random points, each face the light differently."""
    rows, columns = height // 8, width // 8
    points = random.uniform(0, 1, (60, 2)) * (rows, columns)
    y, x = np.mgrid[:rows, :columns]
    nearest = ((y[..., None] - points[:, 0]) ** 2 + (x[..., None] - points[:, 1]) ** 2).argmin(axis=2)
    slope = random.uniform(-1, 1, (60, 2))[nearest]
    tone = 205 + random.uniform(-22, 22, 60)[nearest] + slope[..., 0] * (y % 40 - 20) * 0.4
    large = cv2.resize(cv2.GaussianBlur(tone.astype(np.float32), (0, 0), 0.7), (width, height))
    return np.repeat(large[..., None], 3, axis=2)


def _foam(height: int, width: int, random: Random) -> Canvas:
    """Return dark conductive foam with pores."""
    pores = blotches(height, width, 160, random) * 9
    return np.asarray(np.maximum(38 + pores, 5)[..., None] * np.ones(3), np.float32)


GROUNDS: dict[str, Ground] = {
    "white paper": _plain((228, 228, 224), 2),
    "grey bench": _plain((140, 143, 148), 3),
    "dark tray": _plain((38, 38, 41), 2),
    "wood": _wood,
    "green mat": _cutting_mat,
    "crumpled paper": _crumpled,
    "black foam": _foam,
}
TRAYS = ("grey bench", "dark tray", "black foam")
"""Grounds that may have pockets."""
