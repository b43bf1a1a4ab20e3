"""What images with defects are made of: annotated defects, and packages without any.

Everything comes from the training split. So held-out images can still judge a model that was trained with the result.

Dimensions: H W pixels, C channels.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..artifacts.manifest import Package, PackageManifest, read_manifest
from ..artifacts.packages import Packages, open_packages
from ..core.errors import UserError
from ..core.images import Pixels
from ..core.log import logger
from ..core.masks import Part
from .cutouts import Cutout, cutouts_of
from .drawn import drawn_places, drawn_shapes, shaped, stretching
from .pasting import pasted
from .places import Ground, Place
from .variation import Variation

FEW = 5
"""Fewer defects of a kind than this hardly show how the kind varies."""
TRIES = 8
"""So many cutouts are tried in a background. The one that fits best is pasted."""
SAMPLE_BYTES = 2**28
LOG = logger("defects")

Paint = Callable[[Cutout, Pixels, Place], tuple[Pixels, Pixels]]
"""Makes a defect from a cutout at a place of a background; returns the image, and the mask of 0 and 1."""


@dataclass(frozen=True)
class Made:
    """A package into which defects of a kind were made."""

    pixels_HWC: Pixels
    mask_HW: Pixels
    """1 where a defect is, 0 elsewhere."""
    background: Package
    sources: list[str]
    """Names of the packages that the defects come from."""


@dataclass(frozen=True)
class Pool:
    """Cutouts by kind, and the packages without defects."""

    cutouts: dict[str, list[Cutout]]
    products: dict[str, str]
    """The product of each package, by its name."""
    backgrounds: Packages
    channels: int
    """Of the images: 1 or 3."""
    allowed_HW: NDArray[np.bool_] | None = None
    """Where in a package the middle of a defect may lie; None for everywhere."""
    shapes: list[list[Part]] = field(default_factory=list)
    """Places and shapes of defects, of which each image gets one list; empty if they are not given."""

    @property
    def present(self) -> list[str]:
        """The kinds of which there is a cutout."""
        return [kind for kind, cutouts in self.cutouts.items() if cutouts]

    def sample(self, random: np.random.Generator) -> list[tuple[Pixels, str]]:
        """Return packages without defects, and the product of each. They take at most `SAMPLE_BYTES`, or are one."""
        number = max(SAMPLE_BYTES // (self.channels * self.backgrounds.size_px**2), 1)
        chosen = sorted(random.permutation(len(self.backgrounds.listed))[:number].tolist())
        return [(self.backgrounds.pixels(at), self.backgrounds.listed[at].product) for at in chosen]

    def like(self, cutout: Cutout, images: Sequence[tuple[Pixels, str]]) -> list[Pixels]:
        """Return those images that show the product of a cutout, or all images if there are none."""
        product = self.products[cutout.source]
        return [pixels_HWC for pixels_HWC, shown in images if shown == product] or [image[0] for image in images]

    def make(self, kind: str, number: int, random: np.random.Generator, paint: Paint = pasted) -> Made:
        """Return a package with a number of defects of a kind, made by `paint`. They may touch each other.

        With `shapes`, there are as many as in one of these lists. Raises UserError if no defect of the kind fits.
        """
        at = int(random.integers(len(self.backgrounds.listed)))
        background, pixels_HWC, sources = self.backgrounds.listed[at], self.backgrounds.pixels(at), list[str]()
        mask_HW = np.zeros(pixels_HWC.shape[:2], np.uint8)
        parts = self.shapes[int(random.integers(len(self.shapes)))] if self.shapes else [None] * number
        for part in parts:
            candidates = self._candidates(kind, background.product)
            if part is None:
                cutout, place = self._fitting(kind, candidates, pixels_HWC, random)
            else:
                cutout, place = self._shaped(candidates, part, random)
            pixels_HWC, new_HW = paint(cutout, pixels_HWC, place)
            mask_HW |= new_HW
            sources.append(cutout.source)
        return Made(pixels_HWC, mask_HW, background, sources)

    def _shaped(self, candidates: list[Cutout], part: Part, random: np.random.Generator) -> tuple[Cutout, Place]:
        """Return the cutout that need be stretched least of those tried, in the shape of a part, and its place."""
        tried = [candidates[int(random.integers(len(candidates)))] for _ in range(TRIES)]
        return shaped(min(tried, key=partial(stretching, part=part)), part, self.backgrounds.size_px, random)

    def _fitting(
        self, kind: str, candidates: list[Cutout], pixels_HWC: Pixels, random: np.random.Generator
    ) -> tuple[Cutout, Place]:
        """Return the cutout that fits best of those tried, varied, and its place."""
        ground = Ground(pixels_HWC, self.allowed_HW)
        best: tuple[Cutout, Variation, Place] | None = None
        for _ in range(TRIES):
            cutout, variation = candidates[int(random.integers(len(candidates)))], Variation.drawn(random)
            place = ground.place(cutout.surroundings.flipped(variation), random)
            if place and (best is None or place.difference < best[-1].difference):
                best = cutout, variation, place
        if best is None:
            why = "fill their packages" if self.allowed_HW is None else "fit nowhere that is allowed"
            raise UserError(f"defects: those of kind {kind!r} {why}, so none can be pasted into another")
        cutout, variation, place = best
        return cutout.varied(variation), place

    def _candidates(self, kind: str, product: str) -> list[Cutout]:
        """Return the cutouts of a kind, only those of the product if it has any."""
        own = [cutout for cutout in self.cutouts[kind] if self.products[cutout.source] == product]
        return own or self.cutouts[kind]


def read_pool(packages: Path, size_px: int, where: Path | None = None, shapes: Path | None = None) -> Pool:
    """Return what the training split of a folder of packages offers.

    `where` is a picture of a package, of any size, that is white where the middle of a defect may lie. `shapes` is such
    a picture, or a folder of them, whose white parts are the places and shapes of defects. Raises UserError if both are
    given, and as `pool_of`, `drawn_places` and `drawn_shapes` do.
    """
    if where and shapes:
        raise UserError("defects: give either where defects may lie, or their places and shapes")
    allowed_HW, drawn = drawn_places(where) if where else None, drawn_shapes(shapes, size_px) if shapes else []
    return replace(pool_of(open_packages(packages, size_px, "train")), allowed_HW=allowed_HW, shapes=drawn)


def pool_of(listed: Packages) -> Pool:
    """Return what some packages offer. Raises UserError if no defect is annotated, or if every package has one."""
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
    products = {package.name: package.product for package in listed.listed}
    return Pool(cutouts, products, _backgrounds(listed.chosen(good)), read_manifest(packages, PackageManifest).channels)


def _backgrounds(good: Packages) -> Packages:
    """Return packages to make defects in: those with an empty mask, which says that somebody looked.

    If these are few, or none of a product is among them, all are used, with a warning.
    """
    looked_at = [at for at, one in enumerate(good.listed) if one.masks and not one.defects_outside_px]
    shown = {good.listed[at].product for at in looked_at}
    if len(looked_at) >= min(FEW, len(good.listed)) and shown == {one.product for one in good.listed}:
        return good.chosen(looked_at)
    LOG.warning(
        "%s: %d of %d training images without an annotated defect have an empty mask; defects are made in the others "
        "too, so see that they show none",
        *(good.folder, len(looked_at), len(good.listed)),
    )
    return good


def _cutouts(listed: Packages) -> Iterator[Cutout]:
    bad = listed.chosen([at for at, package in enumerate(listed.listed) if package.defects])
    for at, mask_HW in enumerate(bad.masks()):
        assert mask_HW is not None
        yield from cutouts_of(bad.pixels(at), mask_HW.numpy(), listed.kinds, bad.listed[at].name)
