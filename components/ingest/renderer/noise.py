"""Random streams, and textures cut at random places from periodic tiles that are made once."""

import math
from functools import lru_cache

import cv2
import numpy as np
from numpy.random import PCG64, Generator, SeedSequence
from numpy.typing import NDArray

from ...core.images import Pixels

TILE_PX = 1024
TILE_SEED = 20_000

Floats = NDArray[np.float32]


def stream(*key: int) -> Generator:
    """Return the random stream of a key, the same on every machine."""
    return Generator(PCG64(SeedSequence(key)))


@lru_cache
def cloud_tile() -> Pixels:
    """Return a periodic texture with detail at every scale, uint8, mean 128, standard deviation 40."""
    white = stream(TILE_SEED, 0).standard_normal((TILE_PX, TILE_PX))
    across = np.fft.rfftfreq(TILE_PX) * TILE_PX
    down = np.fft.fftfreq(TILE_PX) * TILE_PX
    # Amplitude falls as 1 / frequency, as in most natural surfaces, and is flat below 6 cycles per tile.
    falloff = 1 / (6 + np.hypot(down[:, None], across[None, :]))
    clouds = np.fft.irfft2(np.fft.rfft2(white) * falloff, s=(TILE_PX, TILE_PX))
    clouds = (clouds - clouds.mean()) / clouds.std()
    tile: Pixels = np.clip(np.rint(128 + 40 * clouds), 0, 255).astype(np.uint8)
    return tile


@lru_cache
def sensor_tile() -> Floats:
    """Return sensor noise of standard deviation 1, TILE_PX x TILE_PX x 3, mostly shared by the channels."""
    white = stream(TILE_SEED, 1).standard_normal((TILE_PX, TILE_PX, 3)).astype(np.float32)
    # Demosaicking smears noise over neighbours and channels.
    smeared = cv2.GaussianBlur(white, (3, 3), 0.55, borderType=cv2.BORDER_REFLECT_101)
    mixed = 0.6 * smeared + 0.5 * smeared.mean(axis=2, keepdims=True)
    return np.ascontiguousarray(mixed / mixed.std(), dtype=np.float32)


def clouds(width_px: int, height_px: int, zoom: float, rng: Generator) -> Pixels:
    """Return a part of `cloud_tile`, H x W, enlarged `zoom` times and cut at a random place."""
    left, top = rng.integers(0, TILE_PX, size=2)
    rows = np.arange(top, top + math.ceil(height_px / zoom)) % TILE_PX
    columns = np.arange(left, left + math.ceil(width_px / zoom)) % TILE_PX
    cut = np.take(cloud_tile()[rows], columns, axis=1)
    return np.asarray(cv2.resize(cut, (width_px, height_px), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)
