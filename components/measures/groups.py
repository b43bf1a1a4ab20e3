"""Measures of groups of images: quarters, kinds, classes and products.

Dimensions: N generated images, M held-out images.
"""

from collections.abc import Mapping, Sequence
from math import isfinite

import torch
from torch import Tensor

from fabgan.model.measures.distances import kernel_distance, lie_among, share

from ..artifacts.manifest import Package
from .comparison import THOUSANDTHS
from .features import Features
from .real import Real

QUARTERS = ("upper left", "upper right", "lower left", "lower right")
Rows = dict[str, dict[str, float | None]]
"""Values by name, of each group. None could not be computed."""


def groups_of(
    generated: Features, real: Real, listed: Sequence[Package], copied_N: Tensor, origins: Mapping[str, Sequence[str]]
) -> dict[str, Rows]:
    """Return the measures of groups, by division.

    `listed` are the packages of the real images, and `origins` the kind and the class of each generated image. A floor
    is the same measure of training images.
    """
    held_out = [package for package in listed if package.split == "held_out"]
    made_among_N = lie_among(generated.whole_NF, real.held_out.whole_NF)
    groups: dict[str, Rows] = {"quarter": _by_quarter(generated, real)}
    for division, names in origins.items():
        groups[division] = {
            name: {
                "generated": float(chosen_N.sum()),
                "precision": share(made_among_N[chosen_N]),
                "copied_share": share(copied_N[chosen_N]),
            }
            for name, chosen_N in _members(names).items()
        }
    if "class" in origins:
        _add_classes(groups["class"], generated, real, listed, origins["class"])
    products = _members([package.product for package in held_out])
    if len(products) > 1:
        real_among_M = lie_among(real.held_out.whole_NF, generated.whole_NF)
        groups["product"] = {
            name: {"held_out": float(chosen_M.sum()), "recall": share(real_among_M[chosen_M])}
            for name, chosen_M in products.items()
        }
    return groups


def _by_quarter(generated: Features, real: Real) -> Rows:
    """Return the kernel distance of the patches in each quarter of an image, of generated and of training images."""
    ours, floor, held_out = (each.patches_NPF.unbind(dim=1) for each in (generated, real.training, real.held_out))
    return {
        name: {
            "kernel_distance_patches": _distance(ours[at], held_out[at]),
            "kernel_distance_patches_floor": _distance(floor[at], held_out[at]),
        }
        for at, name in enumerate(QUARTERS)
    }


def _add_classes(rows: Rows, generated: Features, real: Real, listed: Sequence[Package], names: Sequence[str]) -> None:
    """Add how far the images of each class are from held-out ones of that class, and their numbers."""
    made = _members(names)
    seen, held_out = (
        _members([str(package.label) for package in listed if package.split == split])
        for split in ("train", "held_out")
    )
    none = torch.zeros(0, dtype=torch.int64)
    for name, row in rows.items():
        theirs = real.held_out.chosen(held_out.get(name, none)).whole_NF
        row["held_out"] = float(len(theirs))
        row["kernel_distance"] = _distance(generated.chosen(made[name]).whole_NF, theirs)
        row["kernel_distance_floor"] = _distance(real.training.chosen(seen.get(name, none)).whole_NF, theirs)


def _members(names: Sequence[str]) -> dict[str, Tensor]:
    """Return a mask for each name, in the order of the names."""
    return {name: torch.tensor([each == name for each in names]) for name in sorted(set(names))}


def _distance(ours: Tensor, theirs: Tensor) -> float | None:
    """Return the kernel distance, or None for fewer than two images."""
    if min(len(ours), len(theirs)) < 2:
        return None
    distance = THOUSANDTHS * kernel_distance(ours, theirs)
    return distance if isfinite(distance) else None
