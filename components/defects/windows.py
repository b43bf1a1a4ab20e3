"""Windows of images as the defect model sees them, and batches of these for its training.

Dimensions: B batch, C image channels, H W pixels, G maps of the shape, K kinds.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from fabgan.model.defects.networks import Scene
from fabgan.model.defects.training import Batch

from ..core.errors import UserError
from ..core.images import Pixels
from ..core.progress import Progress
from .cutouts import Cutout
from .maps import maps_of
from .pasting import recoloured, spot_of
from .places import Ground
from .pool import Pool
from .variation import Variation

WINDOW_PX = 48
MAX_CUTOUTS = 64
PLACES = 6
"""So many places are found for each annotated defect, among packages like its own, and among all."""
BACKGROUNDS = 4
"""The best of so many backgrounds is taken for a place."""
SQUARES = 4
"""So many squares are cut at each place."""
OFF_CENTRE = 0.25
"""How far a pixel of the defect may lie from the centre of its window, relative to the window's side."""


class DefectWindows:
    """Training examples: defects beside backgrounds like their own, and beside any, cut into squares."""

    def __init__(self, pool: Pool, random: np.random.Generator) -> None:
        """Find places for every annotated defect. Of a kind with many, `MAX_CUTOUTS` are taken at random.

        Raises UserError if no defect fits into another package.
        """
        sample = pool.sample(random)
        anywhere = [pixels_HWC for pixels_HWC, _ in sample]
        self._kinds = len(pool.cutouts)
        self._near: dict[int, list[Tensor]] = {}
        self._far: dict[int, list[Tensor]] = {}
        progress = Progress("train_defects", sum(len(cutouts) > 0 for cutouts in pool.cutouts.values()), "kinds placed")
        for kind, cutouts in enumerate(pool.cutouts.values()):
            chosen = [cutouts[at] for at in random.permutation(len(cutouts))[:MAX_CUTOUTS]]
            near = [
                square for cutout in chosen for square in _windows_of(cutout, pool.like(cutout, sample), True, random)
            ]
            far = [square for cutout in chosen for square in _windows_of(cutout, anywhere, False, random)]
            if near and far:
                self._near[kind], self._far[kind] = _columns(near), _columns(far)
            progress.advance(len(cutouts) > 0)
        if not self._near:
            raise UserError("train_defects: the annotated defects fill their packages, so none fits into another")

    def batch(self, size: int, random: np.random.Generator) -> Batch:
        """Return random windows. All kinds are equally likely."""
        found, half = sorted(self._near), size // 2
        kinds = [found[int(random.integers(len(found)))] for _ in range(size)]
        background, real, shape, share = _drawn(self._near, kinds, random)
        elsewhere, reference, new_shape, new_share = _drawn(self._far, kinds, random)
        scene = Scene(
            torch.cat([background[:half], elsewhere[half:]]),
            torch.cat([shape[:half], new_shape[half:]]),
            torch.cat([share[:half], new_share[half:]]),
            functional.one_hot(torch.tensor(kinds), self._kinds).float(),
        )
        return Batch(real, shape[:, :1], scene, reference)


def _columns(squares: list[list[Tensor]]) -> list[Tensor]:
    return [torch.stack(column).half() for column in zip(*squares, strict=True)]


def _drawn(examples: dict[int, list[Tensor]], kinds: list[int], random: np.random.Generator) -> list[Tensor]:
    """Return a background, a defect, maps of its shape and shares for each of the kinds."""
    places = [int(random.integers(len(examples[kind][0]))) for kind in kinds]
    columns = [[examples[kind][column][at] for kind, at in zip(kinds, places, strict=True)] for column in range(4)]
    return [torch.stack(column).float() for column in columns]


def _windows_of(
    cutout: Cutout, backgrounds: Sequence[Pixels], matched: bool, random: np.random.Generator
) -> Iterator[list[Tensor]]:
    """Yield squares of a defect beside some backgrounds, where it fits best. If matched, it takes their colours."""
    for _ in range(PLACES):
        flip = Variation.flip(random)
        turned, around = cutout.varied(flip), cutout.surroundings.flipped(flip)
        chosen = [backgrounds[at] for at in random.permutation(len(backgrounds))[:BACKGROUNDS]]
        places = [(Ground(pixels).place(around, random), pixels) for pixels in chosen]
        fitting = [(place, pixels) for place, pixels in places if place]
        if fitting:
            place, pixels = min(fitting, key=lambda pair: pair[0].difference)
            there_HWC = spot_of(turned, pixels, place).pixels()
            defect_HWC = recoloured(turned, there_HWC) if matched else turned.pixels_HWC
            yield from _squares(maps_of(turned, there_HWC, defect_HWC), random)


def _squares(maps: Sequence[NDArray[np.float32]], random: np.random.Generator) -> Iterator[list[Tensor]]:
    """Yield squares of `WINDOW_PX` of the maps of a defect, about random pixels of it.

    Where the maps are smaller, surroundings are mirrored, and the mask ends.
    """
    gaps = [max(WINDOW_PX - side, 0) for side in maps[0].shape[1:]]
    around = [(0, 0), *((gap // 2, gap - gap // 2) for gap in gaps)]
    images, others = (
        [np.pad(map_, around, "symmetric") for map_ in maps[:2]],
        [np.pad(map_, around) for map_ in maps[2:]],
    )
    centres = np.argwhere(others[0][0] > 0)
    for _ in range(SQUARES):
        shifts_px = OFF_CENTRE * WINDOW_PX * random.uniform(-1, 1, 2) - WINDOW_PX // 2
        corner = centres[int(random.integers(len(centres)))] + shifts_px.astype(int)
        top, left = np.clip(corner, 0, np.subtract(images[0].shape[1:], WINDOW_PX))
        window = np.s_[:, top : top + WINDOW_PX, left : left + WINDOW_PX]
        yield [torch.from_numpy(map_[window].copy()) for map_ in (*images, *others)]
