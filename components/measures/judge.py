"""How far generated images are from held-out ones, beside what real lots keep from each other.

Dimensions: N images, F features, P patches per image.
"""

from dataclasses import asdict, dataclass
from functools import cached_property
from math import isfinite
from typing import Literal

import torch
from torch import Tensor

from fabgan.model.measures.copies import CopySearch, Likeness
from fabgan.model.measures.distances import (
    frechet_distance,
    kernel_distance,
    neighbourhoods,
    separation,
)
from fabgan.model.measures.seams import seam_interval, seam_visibility
from fabgan.model.streams import random_stream

from ..artifacts.packages import Packages
from ..artifacts.verdict import Check
from ..core.errors import UserError
from ..core.progress import Progress
from .extractors import Extractor
from .features import Features, extract
from .floors import lot_splits
from .parameters import EvaluateParameters

MIN_HELD_OUT = 2
SUBSETS = 8
"""Random subsets of the generated images whose measures are averaged."""
DECIBEL_PER_OCTAVE = 3.0103
THOUSANDTHS = 1000.0
TAIL = 0.05
"""Share of the splits of real lots beyond each bound of the range that limits are relative to."""


@dataclass(frozen=True)
class Real:
    """The features of real images."""

    every: Features
    held_out_N: Tensor
    """Which of them are held out."""
    splits: list[tuple[Tensor, Tensor]]
    """Masks of lots that stand for generated images, and of lots that stand for held-out ones."""

    @cached_property
    def training(self) -> Features:
        """The images that were trained with."""
        return self.every.chosen(~self.held_out_N)

    @cached_property
    def held_out(self) -> Features:
        """The other images."""
        return self.every.chosen(self.held_out_N)

    @property
    def group_size(self) -> int:
        """Number of images in the smallest group of lots that stand for generated images."""
        return min(int(ours_N.sum()) for ours_N, _ in self.splits)

    @cached_property
    def search(self) -> CopySearch:
        """The training images, to be searched for copies."""
        return CopySearch(self.training.small_NRR)

    @cached_property
    def new(self) -> Likeness:
        """How held-out images, which copy nothing, are like training images."""
        return self.search.likeness(self.held_out.small_NRR)

    def floors(self, size: int, seed: int) -> dict[str, Tensor]:
        """Return the values of each measure of `size` images of lots against other lots, one for each split."""
        if (size, seed) not in self._floors:
            found = []
            for at, (ours_N, others_N) in enumerate(self.splits):
                ours = _subset(self.every.chosen(ours_N), size, random_stream(seed, "floor", at))
                found.append(compare(ours, self.every.chosen(others_N)))
            self._floors[size, seed] = {name: torch.tensor([values[name] for values in found]) for name in MEASURES}
        return self._floors[size, seed]

    @cached_property
    def _floors(self) -> dict[tuple[int, int], dict[str, Tensor]]:
        return {}


@dataclass(frozen=True)
class _Measure:
    meaning: str
    limit: Literal["at_most", "at_least", "none"]


MEASURES = {
    "kernel_distance": _Measure("How far whole images are from held-out ones, x 1000. Lower is better.", "at_most"),
    "kernel_distance_patches": _Measure(
        "How far texture at native resolution is from that of held-out images, x 1000. Lower is better.", "at_most"
    ),
    "kernel_distance_worst_quarter": _Measure(
        "The same in the quarter of the image where it is largest. Lower is better.", "at_most"
    ),
    "precision": _Measure("Share of generated images that lie among held-out ones. Higher is better.", "at_least"),
    "recall": _Measure("Share of held-out images that lie among generated ones. Higher is better.", "at_least"),
    "coverage": _Measure(
        "Share of held-out images that have a generated one beside them. Higher is better.", "at_least"
    ),
    "density": _Measure("How crowded held-out images are around generated ones. Higher is better.", "none"),
    "frechet_distance": _Measure("Frechet distance of whole images. Lower is better.", "none"),
    "frechet_distance_patches": _Measure("Frechet distance of patches at native resolution. Lower is better.", "none"),
    "spectrum_db": _Measure(
        "Largest difference of the power in an octave of detail, in dB: blur or noise. Lower is better.", "at_most"
    ),
    "lattice_db": _Measure(
        "Largest difference of the power at periods of 2, 4 and 8 px, in dB: lattices. Lower is better.", "at_most"
    ),
}
"""The measures that compare two sets of images, with a floor each."""


def compare(generated: Features, real: Features) -> dict[str, float]:
    """Return the values of `MEASURES` for two sets of images."""
    patches, real_patches = generated.patches_NPF, real.patches_NPF
    near = neighbourhoods(generated.whole_NF, real.whole_NF)
    octaves = (generated.octaves_NO.mean(dim=0) - real.octaves_NO.mean(dim=0)).abs().max()
    lattices = (generated.lattices_NL.mean(dim=0) - real.lattices_NL.mean(dim=0)).abs().max()
    quarters = [kernel_distance(patches[:, at], real_patches[:, at]) for at in range(patches.shape[1])]
    return {
        "kernel_distance": THOUSANDTHS * kernel_distance(generated.whole_NF, real.whole_NF),
        "kernel_distance_patches": THOUSANDTHS * kernel_distance(patches, real_patches),
        "kernel_distance_worst_quarter": THOUSANDTHS * max(quarters),
        **asdict(near),
        "frechet_distance": frechet_distance(generated.whole_NF, real.whole_NF),
        "frechet_distance_patches": frechet_distance(patches.flatten(0, 1), real_patches.flatten(0, 1)),
        "spectrum_db": DECIBEL_PER_OCTAVE * float(octaves),
        "lattice_db": DECIBEL_PER_OCTAVE * float(lattices),
    }


def measure_real(packages: Packages, extractor: Extractor, seed: int, progress: Progress) -> Real:
    """Return the features of real images. Raises UserError for fewer than two held-out images."""
    count = sum(package.split == "held_out" for package in packages.listed)
    if count < MIN_HELD_OUT:
        raise UserError(f"{packages.folder}: only {count} held-out image(s); raise ingest.held_out_share")
    every = extract(packages, extractor, random_stream(seed, "patches", "real"), progress)
    return divided(every, packages, seed)


def divided(every: Features, packages: Packages, seed: int) -> Real:
    """Return real images with their lots, from the features of all of them in the order of `packages`."""
    held_out_N = torch.tensor([package.split == "held_out" for package in packages.listed])
    return Real(every, held_out_N, list(lot_splits(packages.listed, seed)))


def _subset(features: Features, size: int, stream: torch.Generator) -> Features:
    return features.chosen(torch.randperm(len(features), generator=stream)[:size])


def judge(generated: Features, real: Real, params: EvaluateParameters) -> tuple[list[Check], Likeness]:
    """Return all checks of generated images, and how they are like training images."""
    new, made = real.new, real.search.likeness(generated.small_NRR)
    nearest_training_N, nearest_held_out_N = (
        torch.cdist(features.whole_NF, generated.whole_NF).amin(dim=1) for features in (real.training, real.held_out)
    )
    checks = [
        *_distances(generated, real, params),
        *_seams(generated, real, params),
        *copy_checks(made, new, params),
        *membership_checks(nearest_training_N, nearest_held_out_N, params),
    ]
    return checks, made


def _distances(generated: Features, real: Real, params: EvaluateParameters) -> list[Check]:
    """Return the checks of `MEASURES`. Groups of equal size are compared: most measures depend on it."""
    size = min(len(generated), real.group_size)
    floors, held_out = real.floors(size, params.seed), real.held_out
    streams = [random_stream(params.seed, "subset", at) for at in range(SUBSETS)]
    found = [compare(_subset(generated, size, stream), held_out) for stream in streams]
    return [_check(name, torch.tensor([values[name] for values in found]), floors[name], params) for name in MEASURES]


def _check(name: str, values: Tensor, floor: Tensor, params: EvaluateParameters) -> Check:
    measure, low, high = MEASURES[name], float(floor.quantile(TAIL)), float(floor.quantile(1 - TAIL))
    value = float(values.mean())
    return Check(
        name=name,
        value=value if _is_finite(values) else None,
        deviation=float(values.std()),
        floor=float(floor.median()),
        at_least=params.min_share * low if measure.limit == "at_least" else None,
        at_most=high + params.max_distance * (high - low) if measure.limit == "at_most" else None,
        decides="nothing" if measure.limit == "none" else "candidate",
        meaning=measure.meaning,
    )


def _seams(generated: Features, real: Real, params: EvaluateParameters) -> list[Check]:
    try:
        seams = seam_visibility(generated.differences_ND2, real.held_out.differences_ND2)
        low, high = seam_interval(real.held_out.differences_ND2, random_stream(params.seed, "seams"))
    except ValueError as error:
        raise UserError(f"seams cannot be measured: {error}") from error
    meaning = f"How visible the seams between regions are. 1 is as real; real images lie in {low:.3g} .. {high:.3g}."
    return [
        Check(name, value if isfinite(value) else None, 0.0, None, params.min_ser, params.max_ser, "candidate", meaning)
        for name, value in asdict(seams).items()
    ]


def copy_checks(made: Likeness, new: Likeness, params: EvaluateParameters) -> list[Check]:
    """Return the checks of copies, from how generated images and new ones, the held-out ones, are like training images.

    A generated image is a copy if its detail, or that of a part, correlates more with a training image than half way
    from the most alike held-out image to an exact copy.
    """
    copied_N = (made.similarity_N > _half_way(new.similarity_N)) | (made.part_N > _half_way(new.part_N))
    known = all(_is_finite(one.similarity_N, one.part_N) for one in (made, new))
    share = float(copied_N.double().mean())
    return [
        Check(
            "copied_share",
            share if known else None,
            0.0,
            None,
            None,
            params.max_copied_share,
            "candidate",
            "Share of generated images that copy a training image or part of one, turned or lit anew. Lower is better.",
        ),
        Check(
            "copied_images",
            float(copied_N.sum()) if known else None,
            0.0,
            None,
            None,
            0.0,
            "exportable",
            "Number of these images. To hand a generator on, there must be none.",
        ),
    ]


def membership_checks(training_N: Tensor, held_out_N: Tensor, params: EvaluateParameters) -> list[Check]:
    """Return the checks of membership, from the distances of real images to the nearest generated one."""
    membership = separation(-training_N, -held_out_N)
    caught = float((training_N < held_out_N.quantile(0.01)).double().mean())
    return [
        Check(
            "membership_auc",
            membership if _is_finite(training_N, held_out_N) else None,
            0.0,
            None,
            None,
            params.max_membership,
            "exportable",
            "How well the nearest generated image tells training from held-out images. 0.5 is chance, lower is better.",
        ),
        Check(
            "membership_at_1_percent",
            caught if _is_finite(training_N, held_out_N) else None,
            0.0,
            None,
            None,
            None,
            "nothing",
            "Share of training images that this finds when 1% of held-out images are suspected. Lower is better.",
        ),
    ]


def _half_way(similarity_N: Tensor) -> float:
    return (1 + float(similarity_N.max())) / 2


def _is_finite(*values: Tensor) -> bool:
    return all(bool(torch.isfinite(one).all()) for one in values)
