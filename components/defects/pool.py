"""What images with defects are made of: annotated defects, and packages without any.

Everything comes from the training split. So held-out images can still judge a model that was trained with the result.

Dimensions: H W pixels, C channels.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from torch import Tensor

from ..artifacts.manifest import Package
from ..artifacts.packages import Packages, open_packages
from ..core.errors import UserError
from ..core.images import Pixels
from ..core.log import logger
from .cutouts import Cutout, cutouts_of, varied
from .pasting import Place, find_place, pasted, shrunk

FEW = 5
"""Fewer defects of a kind than this hardly show how the kind varies."""
TRIES = 8
"""So many cutouts are tried in a background. The one that fits best is pasted."""
LOG = logger("defects")


@dataclass(frozen=True)
class Made:
    """A package into which a defect was pasted."""

    pixels_HWC: Pixels
    mask_HW: Pixels
    """1 where the defect is, 0 elsewhere."""
    background: Package
    cutout: Cutout
    place: Place


@dataclass(frozen=True)
class Pool:
    """Cutouts by kind, and the packages without defects."""

    cutouts: dict[str, list[Cutout]]
    products: dict[str, str]
    """The product of each package, by its name."""
    backgrounds: Packages

    def make(self, kind: str, random: np.random.Generator) -> Made:
        """Return a package with a defect of a kind. Raises UserError if no defect of the kind fits."""
        at = int(random.integers(len(self.backgrounds.listed)))
        background = self.backgrounds.listed[at]
        (x_CHW,) = self.backgrounds.chosen([at])
        pixels_HWC, candidates = _pixels(x_CHW), self._candidates(kind, background.product)
        small_HWC, best = shrunk(pixels_HWC), None
        for _ in range(TRIES):
            cutout = varied(candidates[int(random.integers(len(candidates)))], random)
            place = find_place(cutout, small_HWC, len(pixels_HWC), random)
            if place and (best is None or place.difference < best[1].difference):
                best = cutout, place
        if best is None:
            raise UserError(f"defects: those of kind {kind!r} fill their packages, so none can be pasted into another")
        return Made(*pasted(best[0], pixels_HWC, best[1]), background, *best)

    def _candidates(self, kind: str, product: str) -> list[Cutout]:
        """Return the cutouts of a kind, only those of the product if it has any."""
        own = [cutout for cutout in self.cutouts[kind] if self.products[cutout.source] == product]
        return own or self.cutouts[kind]


def read_pool(packages: Path, size_px: int) -> Pool:
    """Return what the training split of a folder of packages offers. Raises UserError as `pool_of` does."""
    return pool_of(open_packages(packages, size_px, "train"))


def pool_of(listed: Packages) -> Pool:
    """Return what some packages offer.

    Raises UserError without annotated defects, and without packages that have none.
    """
    packages = listed.folder
    cutouts: dict[str, list[Cutout]] = {kind: [] for kind in listed.kinds}
    for cutout in _cutouts(listed):
        cutouts[cutout.kind].append(cutout)
    if not any(cutouts.values()):
        raise UserError(f"{packages}: no annotated defect in the training images; see ingest.annotations")
    good = [at for at, package in enumerate(listed.listed) if not package.defects]
    if not good:
        raise UserError(f"{packages}: every training image has a defect; images without any are needed to paste into")
    for kind, found in cutouts.items():
        if len(found) < FEW:
            LOG.warning("%s: only %d annotated defect(s) of kind %r in the training images", packages, len(found), kind)
    return Pool(cutouts, {package.name: package.product for package in listed.listed}, listed.chosen(good))


def _cutouts(listed: Packages) -> Iterator[Cutout]:
    bad = listed.chosen([at for at, package in enumerate(listed.listed) if package.defects])
    for package, x_CHW, mask_HW in zip(bad.listed, bad, bad.masks(), strict=True):
        assert mask_HW is not None
        yield from cutouts_of(_pixels(x_CHW), mask_HW.numpy(), listed.kinds, package.name)


def _pixels(x_CHW: Tensor) -> Pixels:
    return np.ascontiguousarray(x_CHW.permute(1, 2, 0).numpy())
