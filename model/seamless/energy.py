"""The energy score of pairs of generated images, as a loss for G.

Let y and y' be two generated images and x a real one, all of one kind. The score is the mean, over pairs and real
images, of

    |y - x| + |y' - x| - |y - y'|

It is minimal if G's distribution of that kind is the real one: the score is strictly proper (Gneiting and Raftery
2007, doi:10.1198/016214506000001437). Apart from a constant, the mean distance between the real images, it is the
energy distance (Szekely and Rizzo 2013, doi:10.1016/j.jspi.2013.03.018).

The first two terms draw generated images to real ones. The third term drives them apart, as far as real images are.
Without it, all images of a kind would collapse to one. One real image of a kind is enough, so a batch may hold many
kinds.

The gradient is unbiased apart from the coupling of images by batch normalisation. y and y' are drawn in the same way,
so on average the gradient through y alone is half of the whole. So y', the second sample, needs no graph, and costs
much less than another image with one.

Packages lie upright and in the middle, so each pixel shows what lies at its place. Over a whole image, all distances
are similar: they show how much differs, but hardly where. So the score is taken cell by cell (a patched energy score:
Pacchiardi et al. 2024, arXiv:2112.08217). It is also taken of the shrunk image, and of the image's roughness. So it is
strictly proper for the values of a cell. How cells fit together beyond a shrunk cell is left to the discriminators.

Dimensions: B batch, C channels, H W pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

CELL_PX = 8
COARSER = 4
"""The score is taken at two scales, this factor apart, so that colour and layout weigh as much as detail."""
ROUGHNESS_WEIGHT = 1.5
SMOOTH = 0.05
"""Added to differences of images in [-1, 1] before the logarithm. Differences well below it count as 0. It equals 6 of
255 grey levels."""
TINY = 1e-8
"""Added to squares before the root, which has no derivative at 0."""


def energy_score(fake_BCHW: Tensor, second_BCHW: Tensor, real_BCHW: Tensor, cell: tuple[int, int]) -> Tensor:
    """Return the energy score, a scalar: the mean over cells and images. `cell` is rows x columns in pixels."""
    to_real = _distance(fake_BCHW, real_BCHW, cell) + _distance(second_BCHW, real_BCHW, cell)
    return to_real - _distance(fake_BCHW, second_BCHW, cell)


def _distance(a_BCHW: Tensor, b_BCHW: Tensor, cell: tuple[int, int]) -> Tensor:
    """Return the mean distance between cells: within each cell, the root of the mean squared difference."""
    square_B1HW = (a_BCHW - b_BCHW).square().mean(dim=1, keepdim=True)
    return functional.avg_pool2d(square_B1HW, cell).add(TINY).sqrt().mean()


def roughness(x_BCHW: Tensor) -> Tensor:
    """Return how rough images in [-1, 1] are from left to right: B x C x H/8 x W.

    Roughness is the logarithm of the absolute difference to the next pixel, averaged over 8 rows. The last column has
    no next pixel and counts as flat.

    Between its balls and traces a package is flat. Noise there is small compared with the differences between packages,
    so it hardly changes distances of pixels. In the logarithm, noise counts by the factor by which it is too large.
    """
    differences_BCHW = functional.pad(x_BCHW.diff(dim=-1).abs(), (0, 1))
    return torch.log(functional.avg_pool2d(differences_BCHW, (CELL_PX, 1)) + SMOOTH)


def image_energy(fake_BCHW: Tensor, second_BCHW: Tensor, real_BCHW: Tensor) -> Tensor:
    """Return the energy score of generated images and second samples against real images, all in [-1, 1], a scalar.

    A second sample is made from another latent of the same kind. The real image has that kind too.
    """

    def score(transform: Callable[[Tensor], Tensor], cell: tuple[int, int]) -> Tensor:
        return energy_score(transform(fake_BCHW), transform(second_BCHW), transform(real_BCHW), cell)

    square, strip = (CELL_PX, CELL_PX), (1, CELL_PX)
    pixels = score(lambda x_BCHW: x_BCHW, square) + score(lambda x_BCHW: functional.avg_pool2d(x_BCHW, COARSER), square)
    rough = score(roughness, strip) + score(lambda x_BCHW: roughness(x_BCHW.mT), strip)
    return pixels + ROUGHNESS_WEIGHT / 2 * rough
