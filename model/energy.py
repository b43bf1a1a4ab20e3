"""The energy distance between generated and real images, as a loss for G.

D^2 = 2 E|a - b| - E|a - a'| - E|b - b'| (Szekely and Rizzo 2013, doi:10.1016/j.jspi.2013.03.018) is 0 only where both
distributions are the same. Taken over pairs of different samples of independent batches it has gradients without bias,
whatever their size (Bellemare et al. 2017, arXiv:1705.10743, who use it on a critic's features). Here it is taken on
the pixels of shrunk images, and on how rough they are cell by cell: packages lie upright and in the middle, so pixels
tell where things lie, and pairs how packages differ.

Dimensions: B batch, C channels, H W pixels, N values of a sample, K kinds.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

COARSER = 4
"""The distance is taken at two sizes, this factor apart: colour and layout weigh as much as detail."""
CELL_PX = 8
ROUGHNESS_WEIGHT = 0.8
SMOOTH = 0.05
"""Steps between neighbours well below this, of images in [-1, 1], are as good as none: 6 of 255 grey levels."""


def energy_distance(a_BN: Tensor, b_BN: Tensor) -> Tensor:
    """Return the energy distance of two sets of samples, a scalar; it may be below 0 by chance.

    Raises ValueError for a set of one, which has no pairs.
    """
    if min(len(a_BN), len(b_BN)) < 2:
        raise ValueError("an energy distance needs at least two samples on each side")
    across: Tensor = torch.cdist(a_BN, b_BN, compute_mode="donot_use_mm_for_euclid_dist").mean()
    within: Tensor = torch.pdist(a_BN).mean() + torch.pdist(b_BN).mean()
    return 2 * across - within


def shrunk(x_BCHW: Tensor, size_px: int) -> Tensor:
    """Return images averaged down to `size_px` a side, which divides theirs."""
    factor = x_BCHW.shape[-1] // size_px
    return functional.avg_pool2d(x_BCHW, factor) if factor > 1 else x_BCHW


def roughness(x_BCHW: Tensor) -> Tensor:
    """Return how rough images in [-1, 1] are, B x 2C x H/8 x W/8: the log of the mean step to the next pixel in a cell.

    Steps across and down are told apart. Between its balls and traces a package is flat, and noise there is small
    beside what packages differ by: distances of pixels hardly see it. In the logarithm it counts by the factor by
    which a cell is too rough.
    """
    across, down = x_BCHW.diff(dim=-1).abs(), x_BCHW.diff(dim=-2).abs()
    steps = torch.cat([functional.pad(across, (0, 1)), functional.pad(down, (0, 0, 0, 1))], dim=1)
    return torch.log(functional.avg_pool2d(steps, CELL_PX) + SMOOTH)


def image_energy(fake_BCHW: Tensor, real_BCHW: Tensor, kinds_B: Tensor, kinds: int) -> Tensor:
    """Return the energy distance of shrunk images in [-1, 1] at both sizes, and of their roughness, a scalar.

    The joint distribution of images and their kinds is compared. The two batches have the same kinds, image by image,
    so that what differs between two draws of kinds is no noise. The price is a bias: pairs of one kind are more
    frequent across batches than within, which pulls images a little towards the middle of their kind, and the least
    that can be reached lies below 0.
    """

    def distance(seen: Callable[[Tensor], Tensor]) -> Tensor:
        return energy_distance(*(_samples(seen(x_BCHW), kinds_B, kinds) for x_BCHW in (fake_BCHW, real_BCHW)))

    layout = distance(lambda x_BCHW: functional.avg_pool2d(x_BCHW, COARSER))
    return distance(lambda x_BCHW: x_BCHW) + layout + ROUGHNESS_WEIGHT * distance(roughness)


def _samples(x_BCHW: Tensor, kinds_B: Tensor, kinds: int) -> Tensor:
    """Return an image's values, over the root of their number so that sizes compare, and its kind as K values."""
    values_BN: Tensor = x_BCHW.flatten(1) / float(x_BCHW[0].numel()) ** 0.5
    return torch.cat([values_BN, functional.one_hot(kinds_B, kinds).to(values_BN)], dim=1)
