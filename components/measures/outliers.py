"""Single images that are unlike all real ones: a mean over many images hardly shows them.

Dimensions: N M images, P patches per image, F features.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from .features import Features

ODD_SHARE = 0.01
"""Share of the real images, and at least one, that do not count where it is said how far these lie: one odd photograph
decides nothing."""
NEW_LOTS = 1.1
"""Images of new lots lie somewhat farther than those of known lots do: so many times as far."""
FAR = 1.5
"""Real images lay at most 1.38 times as far as that, in 15 divisions of the rendered packages and of the photographs of
packages that `benchmarks.ladder` uses."""


@dataclass(frozen=True)
class Outliers:
    """Shares of images that are unlike every real one."""

    beyond: float
    """Farther from every real image than these are from other lots."""
    far: float
    """The same, `FAR` times as far."""


class Distances:
    """How far real images are from each other, as a whole and in their patches."""

    def __init__(self, real: Features, lots_N: Tensor, products_N: Tensor) -> None:
        self._real = real
        self._other_lots_NN = lots_N[:, None] != lots_N
        self._alike_NN = self._other_lots_NN & (products_N[:, None] == products_N)
        self._whole_NN = torch.cdist(real.whole_NF, real.whole_NF)
        self._patches_NPN = _nearest_patches(real.patches_NPF, real.patches_NPF)

    def outliers(self, generated: Features) -> Outliers:
        """Return the shares of images that are farther from every real one than real ones are from other lots."""
        whole_N = torch.cdist(generated.whole_NF, self._real.whole_NF).amin(dim=1)
        part_N = _nearest_patches(generated.patches_NPF, self._real.patches_NPF).amin(dim=2).amax(dim=1)
        return _outliers(whole_N, part_N, *self._reach(torch.arange(len(self._real))))

    def floor(self, splits: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Return the share of images of lots that are so far from all other lots, one for each split.

        Splits whose other lots are a single one have none.
        """
        return torch.tensor(list(self._floors(splits)), dtype=torch.float64)

    def _floors(self, splits: list[tuple[Tensor, Tensor]]) -> Iterator[float]:
        for known_N, new_N in splits:
            known = known_N.nonzero()[:, 0]
            whole_N = self._whole_NN[new_N][:, known].amin(dim=1)
            part_N = self._patches_NPN[new_N][:, :, known].amin(dim=2).amax(dim=1)
            reach = self._reach(known)
            if all(one.isfinite() for one in reach):
                yield _outliers(whole_N, part_N, *reach).beyond

    def _reach(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Return how far some real images, and their patches, are from their other lots, but for the oddest of them.

        Lots of the same product count. If no product has several lots, those of others do.
        """
        compared_NN = self._alike_NN[places][:, places]
        if not compared_NN.any():
            compared_NN = self._other_lots_NN[places][:, places]
        whole_NN = self._whole_NN[places][:, places].masked_fill(~compared_NN, torch.inf)
        patches_NPN = self._patches_NPN[places][:, :, places].masked_fill(~compared_NN[:, None], torch.inf)
        return _farthest(whole_NN.amin(dim=1)), _farthest(patches_NPN.amin(dim=2).amax(dim=1))


def _farthest(distance_N: Tensor) -> Tensor:
    """Return how far images of new lots may lie, by the distances of known ones. It is infinite if no one is known."""
    finite_N = distance_N[~distance_N.isinf()]
    if not len(finite_N):
        return torch.tensor(torch.inf)
    return NEW_LOTS * finite_N.quantile(1 - ODD_SHARE, interpolation="lower")


def _nearest_patches(ours_NPF: Tensor, theirs_MPF: Tensor) -> Tensor:
    """Return how far each patch is from the nearest patch of each image: N x P x M."""
    count, patches, _ = ours_NPF.shape
    distances = torch.cdist(ours_NPF.flatten(0, 1), theirs_MPF.flatten(0, 1))
    return distances.view(count, patches, len(theirs_MPF), -1).amin(dim=3)


def _outliers(whole_N: Tensor, part_N: Tensor, whole_reach: Tensor, part_reach: Tensor) -> Outliers:
    """Return the shares of images beyond one of the two reaches. They are not numbers if a distance is none."""
    if whole_N.isnan().any() or part_N.isnan().any():
        return Outliers(torch.nan, torch.nan)
    beyond = ((whole_N > times * whole_reach) | (part_N > times * part_reach) for times in (1, FAR))
    return Outliers(*(float(outside_N.double().mean()) for outside_N in beyond))
