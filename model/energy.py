"""The energy distance between generated and real images, as a loss for G.

D^2 = 2 E|a - b| - E|a - a'| - E|b - b'| (Szekely and Rizzo 2013, doi:10.1016/j.jspi.2013.03.018) is 0 only where both
distributions are the same. Taken over pairs of different samples it has gradients without bias, whatever the batch
(Bellemare et al. 2017, arXiv:1705.10743, who use it on a critic's features). Here it is taken on the pixels of shrunk
images: packages lie upright and in the middle, so pixels tell where things lie, and pairs how packages differ.

Dimensions: B batch, C channels, H W pixels, N values of a sample, K classes.
"""

import torch
from torch import Tensor
from torch.nn import functional

COARSER = 4
"""The distance is taken at two sizes, this factor apart: colour and layout weigh as much as detail."""


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


def image_energy(fake_BCHW: Tensor, real_BCHW: Tensor, labels_B: Tensor | None, classes: int) -> Tensor:
    """Return the energy distance of shrunk images in [-1, 1] at both sizes, a scalar.

    With labels, which the two batches share, the joint distribution of images and labels is compared.
    """
    coarse = (functional.avg_pool2d(x_BCHW, COARSER) for x_BCHW in (fake_BCHW, real_BCHW))
    pairs = ((fake_BCHW, real_BCHW), tuple(coarse))
    fine, rough = (energy_distance(*(_samples(x, labels_B, classes) for x in pair)) for pair in pairs)
    return fine + rough


def _samples(x_BCHW: Tensor, labels_B: Tensor | None, classes: int) -> Tensor:
    """Return an image's pixels, over the root of their number so that sizes compare, and its label as K values."""
    pixels_BN: Tensor = x_BCHW.flatten(1) / float(x_BCHW[0].numel()) ** 0.5
    if labels_B is None:
        return pixels_BN
    return torch.cat([pixels_BN, functional.one_hot(labels_B, classes).to(pixels_BN)], dim=1)
