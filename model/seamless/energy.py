"""The energy score of pairs of generated images, as a loss for G.

Take two generated images y, y' and a real one x, all of one kind. Over pairs and real images, the mean of

    |y - x| + |y' - x| - |y - y'|

is least where G's distribution of that kind is the real one: the score is strictly proper (Gneiting and Raftery 2007,
doi:10.1198/016214506000001437), and but for the real images' own mean distance it is the energy distance (Szekely and
Rizzo 2013, doi:10.1016/j.jspi.2013.03.018). The first two terms draw images to real ones, and the third drives them
apart as far as real ones are; without it all images of a kind would be one. A single real image of a kind is enough, so
a batch may hold many kinds, and but for what batch normalisation shares between images the gradient has no bias.
Images and twins are drawn alike, so the gradient through y alone is on average half of the whole: twins need no graph,
and cost much less than a second image.

Packages lie upright and in the middle, so pixels tell where things lie. The score is taken cell by cell (a patched
energy score: Pacchiardi et al. 2024, arXiv:2112.08217), since over a whole image all distances are alike and tell
little but how much differs, not where. It is also taken of the shrunk image, and of how rough the image is. So it is
strictly proper for a cell's values; how cells go together beyond a shrunk cell is left to the judges.

Dimensions: B batch, C channels, H W pixels.
"""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

CELL_PX = 8
COARSER = 4
"""The score is taken at two sizes, this factor apart: colour and layout weigh as much as detail."""
ROUGHNESS_WEIGHT = 1.5
SMOOTH = 0.05
"""Steps between neighbours well below this, of images in [-1, 1], are as good as none: 6 of 255 grey levels."""
TINY = 1e-8
"""Added to squares: the root has no slope at 0."""


def energy_score(fake_BCHW: Tensor, second_BCHW: Tensor, real_BCHW: Tensor, cell: tuple[int, int]) -> Tensor:
    """Return the energy score, cell by cell of so many rows and columns, a scalar: the mean of cells and images."""
    to_real = _distance(fake_BCHW, real_BCHW, cell) + _distance(second_BCHW, real_BCHW, cell)
    return to_real - _distance(fake_BCHW, second_BCHW, cell)


def _distance(a_BCHW: Tensor, b_BCHW: Tensor, cell: tuple[int, int]) -> Tensor:
    """Return the mean distance of cells: the root of the mean square of their values' differences."""
    square_B1HW = (a_BCHW - b_BCHW).square().mean(dim=1, keepdim=True)
    return functional.avg_pool2d(square_B1HW, cell).add(TINY).sqrt().mean()


def roughness(x_BCHW: Tensor) -> Tensor:
    """Return how rough images in [-1, 1] are from left to right: the log of their steps, B x C x H/8 x W.

    A step is that to the next pixel, the mean of 8 rows of it; the last pixel has none, and counts as flat.
    Between its balls and traces a package is flat, and noise there is small beside what packages differ by: distances
    of pixels hardly see it. In the logarithm it counts by the factor by which a step is too large.
    """
    steps_BCHW = functional.pad(x_BCHW.diff(dim=-1).abs(), (0, 1))
    return torch.log(functional.avg_pool2d(steps_BCHW, (CELL_PX, 1)) + SMOOTH)


def image_energy(fake_BCHW: Tensor, second_BCHW: Tensor, real_BCHW: Tensor) -> Tensor:
    """Return the energy score of generated images and their twins against real ones, all in [-1, 1], a scalar.

    The twin of an image is made from another latent of the same kind, which is that of the real image.
    """

    def score(seen: Callable[[Tensor], Tensor], cell: tuple[int, int]) -> Tensor:
        return energy_score(seen(fake_BCHW), seen(second_BCHW), seen(real_BCHW), cell)

    square, strip = (CELL_PX, CELL_PX), (1, CELL_PX)
    pixels = score(lambda x_BCHW: x_BCHW, square) + score(lambda x_BCHW: functional.avg_pool2d(x_BCHW, COARSER), square)
    rough = score(roughness, strip) + score(lambda x_BCHW: roughness(x_BCHW.mT), strip)
    return pixels + ROUGHNESS_WEIGHT / 2 * rough
