"""Single images that are unlike all real ones: a mean over many images hardly shows them.

Dimensions: N M images, P patches per image, F features, L lots.
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
ROWS = 1000


@dataclass(frozen=True)
class Outliers:
    """Shares of images that are unlike every real one."""

    beyond: float
    """Farther from every real image than these are from other lots."""
    far: float
    """The same, `FAR` times as far."""


class Distances:
    """How far real images are from the lots of each other, as a whole and in their patches."""

    def __init__(self, real: Features, lots_N: Tensor, products_N: Tensor) -> None:
        """Measure real images. Lots are numbered from 0, and each is of one product."""
        self._real, self._lots_N = real, lots_N
        lots_L = torch.arange(int(lots_N.max()) + 1)
        products_L = torch.empty_like(lots_L).index_copy_(0, lots_N, products_N)
        self._other_NL = lots_N[:, None] != lots_L
        self._alike_NL = self._other_NL & (products_N[:, None] == products_L)
        self._whole_NL, self._patches_NPL = self._nearest(real)
        self._reach_of_all = self._reach(torch.ones_like(lots_N, dtype=torch.bool), lots_L)

    def outliers(self, generated: Features) -> Outliers:
        """Return the shares of images that are farther from every real one than real ones are from other lots."""
        whole_NL, patches_NPL = self._nearest(generated)
        return _outliers(whole_NL.amin(dim=1), _worst_patch(patches_NPL), *self._reach_of_all)

    def floor(self, splits: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Return the share of images of lots that are so far from all other lots, one for each split into whole lots.

        Splits whose other lots are a single one have none.
        """
        return torch.tensor(list(self._floors(splits)), dtype=torch.float64)

    def _floors(self, splits: list[tuple[Tensor, Tensor]]) -> Iterator[float]:
        for known_N, new_N in splits:
            lots = torch.unique(self._lots_N[known_N])
            reach = self._reach(known_N, lots)
            if all(one.isfinite() for one in reach):
                whole_N = self._whole_NL[new_N][:, lots].amin(dim=1)
                yield _outliers(whole_N, _worst_patch(self._patches_NPL[new_N][..., lots]), *reach).beyond

    def _reach(self, known_N: Tensor, lots: Tensor) -> tuple[Tensor, Tensor]:
        """Return how far the images of some lots, and their patches, are from their other lots, but for the oddest.

        Lots of the same product count. If no product has several lots, those of others do.
        """
        compared_NL = self._alike_NL[known_N][:, lots]
        if not compared_NL.any():
            compared_NL = self._other_NL[known_N][:, lots]
        whole_NL = self._whole_NL[known_N][:, lots].masked_fill(~compared_NL, torch.inf)
        patches_NPL = self._patches_NPL[known_N][..., lots].masked_fill(~compared_NL[:, None], torch.inf)
        return _farthest(whole_NL.amin(dim=1)), _farthest(_worst_patch(patches_NPL))

    def _nearest(self, features: Features) -> tuple[Tensor, Tensor]:
        """Return how far images and their patches are from the nearest of each real lot: N x L and N x P x L."""
        patches_NPF, real = features.patches_NPF, self._real
        lots_of_patches = self._lots_N.repeat_interleave(patches_NPF.shape[1])
        flat = _nearest_of_lots(patches_NPF.flatten(0, 1), real.patches_NPF.flatten(0, 1), lots_of_patches)
        return _nearest_of_lots(features.whole_NF, real.whole_NF, self._lots_N), flat.view(*patches_NPF.shape[:2], -1)


def _farthest(distance_N: Tensor) -> Tensor:
    """Return how far images of new lots may lie, by the distances of known ones. It is infinite if no one is known."""
    finite_N = distance_N[~distance_N.isinf()]
    if not len(finite_N):
        return torch.tensor(torch.inf)
    return NEW_LOTS * finite_N.quantile(1 - ODD_SHARE, interpolation="lower")


def _nearest_of_lots(ours_NF: Tensor, theirs_MF: Tensor, lots_M: Tensor) -> Tensor:
    """Return how far features are from the nearest ones of each lot, N x L, `ROWS` at a time to bound the memory."""
    sizes, sorted_MF = lots_M.bincount().tolist(), theirs_MF[lots_M.argsort()]
    by_lot = (torch.split(torch.cdist(rows, sorted_MF), sizes, dim=1) for rows in torch.split(ours_NF, ROWS))
    return torch.cat([torch.stack([lot.amin(dim=1) for lot in lots], dim=1) for lots in by_lot])


def _worst_patch(patches_NPL: Tensor) -> Tensor:
    """Return how far the patch of each image that is farthest from all lots is from the nearest of them."""
    return patches_NPL.amin(dim=2).amax(dim=1)


def _outliers(whole_N: Tensor, part_N: Tensor, whole_reach: Tensor, part_reach: Tensor) -> Outliers:
    """Return the shares of images beyond one of the two reaches. They are not numbers if a distance is none."""
    if whole_N.isnan().any() or part_N.isnan().any():
        return Outliers(torch.nan, torch.nan)
    beyond = ((whole_N > times * whole_reach) | (part_N > times * part_reach) for times in (1, FAR))
    return Outliers(*(float(outside_N.double().mean()) for outside_N in beyond))
