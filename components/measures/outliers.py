"""Single images that are unlike all real ones: a mean over many images hardly shows them.

Dimensions: N M images, P patches per image, F features.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from .features import Features


class Distances:
    """How far real images are from each other, as a whole and in their patches."""

    def __init__(self, real: Features, lots_N: Tensor) -> None:
        same_NN = lots_N[:, None] == lots_N
        self._real = real
        self._whole_NN = torch.cdist(real.whole_NF, real.whole_NF).masked_fill(same_NN, torch.inf)
        self._patches_NPN = _nearest_patches(real.patches_NPF, real.patches_NPF).masked_fill(
            same_NN[:, None], torch.inf
        )

    def share_of_outliers(self, generated: Features) -> float:
        """Return the share of images that are farther from every real one than real ones are from other lots."""
        whole_N = torch.cdist(generated.whole_NF, self._real.whole_NF).amin(dim=1)
        part_N = _nearest_patches(generated.patches_NPF, self._real.patches_NPF).amin(dim=2).amax(dim=1)
        every = torch.arange(len(self._real))
        return _share(whole_N, part_N, *self._reach(every))

    def floor(self, splits: list[tuple[Tensor, Tensor]]) -> Tensor:
        """Return the same of lots beside other lots, one for each split."""
        return torch.tensor(list(self._floors(splits)))

    def _floors(self, splits: list[tuple[Tensor, Tensor]]) -> Iterator[float]:
        for ours_N, others_N in splits:
            others = others_N.nonzero()[:, 0]
            whole_N = self._whole_NN[ours_N][:, others].amin(dim=1)
            part_N = self._patches_NPN[ours_N][:, :, others].amin(dim=2).amax(dim=1)
            yield _share(whole_N, part_N, *self._reach(others))

    def _reach(self, places: Tensor) -> tuple[Tensor, Tensor]:
        """Return how far the most distant of some real images, and of their patches, are from their other lots."""
        whole_N = self._whole_NN[places][:, places].amin(dim=1)
        part_N = self._patches_NPN[places][:, :, places].amin(dim=2).amax(dim=1)
        return whole_N.max(), part_N.max()


def _nearest_patches(ours_NPF: Tensor, theirs_MPF: Tensor) -> Tensor:
    """Return how far each patch is from the nearest patch of each image: N x P x M."""
    count, patches, _ = ours_NPF.shape
    distances = torch.cdist(ours_NPF.flatten(0, 1), theirs_MPF.flatten(0, 1))
    return distances.view(count, patches, len(theirs_MPF), -1).amin(dim=3)


def _share(whole_N: Tensor, part_N: Tensor, whole_reach: Tensor, part_reach: Tensor) -> float:
    """Return the share of images beyond one of the two reaches. It is not a number if a distance is none."""
    if whole_N.isnan().any() or part_N.isnan().any():
        return torch.nan
    return float(((whole_N > whole_reach) | (part_N > part_reach)).double().mean())
