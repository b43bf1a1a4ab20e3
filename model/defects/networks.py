"""The networks of the defect model: one fits a defect into a background, the other tells real windows from made ones.

The generator gets the window of a background, and a reference: a real defect, where it is to lie in the window. It
chooses how much of the reference shows at each pixel, and how its colours change. It begins with the reference as it
is, pasted. So a few examples are enough: the texture of a defect is given, and only its fit is learned. The idea of
refining given images adversarially is that of Shrivastava et al. 2017, arXiv:1612.07828; the U-shaped network is that
of Ronneberger et al. 2015, arXiv:1505.04597.

Dimensions: B batch, C image channels, H W pixels, G maps of the shape, K kinds, F features.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.parametrizations import spectral_norm

SHAPE_MAPS = 4
"""Maps that describe a mask: the mask itself, down and right in it, and the distance to its border."""
STRIDE = 4
"""The height and the width of windows are multiples of it."""
LEAK = 0.2
OPAQUE = 3.0
"""Logit of the share of the reference that shows before training."""


@dataclass(frozen=True)
class DefectConfig:
    """The shapes of both networks."""

    channels: int
    """Of the images: 1 or 3."""
    kinds: int
    generator_width: int = 20
    discriminator_width: int = 24


class Scene(NamedTuple):
    """Where a defect is to be made."""

    background_BCHW: Tensor
    """In [-1, 1]."""
    shape_BGHW: Tensor
    """What `SHAPE_MAPS` says, with the mask first, 0 or 1."""
    share_B1HW: Tensor
    """How far each pixel may change, in [0, 1]. Where it is 0, the background stays."""
    kind_BK: Tensor
    """One-hot."""


class DefectGenerator(nn.Module):
    """Fits a reference into a scene."""

    def __init__(self, config: DefectConfig) -> None:
        super().__init__()
        self.config = config
        width, maps = config.generator_width, 2 * config.channels + SHAPE_MAPS + 1
        self.fine = nn.Sequential(_layer(maps, width), _layer(width, width))
        self.middle = nn.Sequential(_layer(width, 2 * width, stride=2), _layer(2 * width, 2 * width))
        self.coarse = nn.Sequential(
            _layer(2 * width, 4 * width, stride=2), _layer(4 * width, 4 * width), _layer(4 * width, 4 * width)
        )
        self.to_middle, self.to_fine = _layer(6 * width, 2 * width), _layer(3 * width, width)
        self.gains = nn.ModuleList(nn.Linear(config.kinds, features) for features in (4 * width, 2 * width, width))
        self.output = nn.Conv2d(width, config.channels + 1, 3, padding=1)
        for parameter in self.output.parameters():
            nn.init.zeros_(parameter)

    def forward(self, scene: Scene, reference_BCHW: Tensor) -> Tensor:
        """Return windows with a defect, B x C x H x W, about in [-1, 1]."""
        inputs = scene.background_BCHW, scene.shape_BGHW, scene.share_B1HW, reference_BCHW
        fine = self.fine(torch.cat(inputs, dim=1))
        middle = self.middle(fine)
        x = self._gained(self.coarse(middle), scene, 0)
        x = self._gained(self.to_middle(_joined(x, middle)), scene, 1)
        x = self._gained(self.to_fine(_joined(x, fine)), scene, 2)
        change_BCHW, opacity_B1HW = self.output(x).split([self.config.channels, 1], dim=1)
        shown_BCHW: Tensor = (opacity_B1HW + OPAQUE).sigmoid() * (reference_BCHW + change_BCHW - scene.background_BCHW)
        made_BCHW: Tensor = scene.background_BCHW + scene.share_B1HW * shown_BCHW
        return made_BCHW

    def _gained(self, x_BFHW: Tensor, scene: Scene, level: int) -> Tensor:
        gained_BFHW: Tensor = x_BFHW * (1 + self.gains[level](scene.kind_BK)[:, :, None, None])
        return gained_BFHW


class DefectDiscriminator(nn.Module):
    """Scores windows with a defect, given its mask and kind.

    Weights are spectrally normalised (Miyato et al. 2018, arXiv:1802.05957), and the kind is compared with the features
    (Miyato and Koyama 2018, arXiv:1802.05637).
    """

    def __init__(self, config: DefectConfig) -> None:
        super().__init__()
        widths = [config.channels + 1, *(config.discriminator_width * factor for factor in (1, 2, 4))]
        self.layers = nn.Sequential(
            *(
                nn.Sequential(spectral_norm(nn.Conv2d(narrow, wide, 4, 2, 1)), nn.LeakyReLU(LEAK))
                for narrow, wide in pairwise(widths)
            )
        )
        self.score = spectral_norm(nn.Conv2d(widths[-1], 1, 3, padding=1))
        self.of_kind = spectral_norm(nn.Linear(config.kinds, widths[-1]))

    def forward(self, x_BCHW: Tensor, mask_B1HW: Tensor, kind_BK: Tensor) -> Tensor:
        """Return scores of overlapping parts of the windows, B x 1 x H/8 x W/8, higher for real ones."""
        x_BFHW = self.layers(torch.cat([x_BCHW, mask_B1HW], dim=1))
        fits_B1HW = (x_BFHW * self.of_kind(kind_BK)[:, :, None, None]).mean(dim=1, keepdim=True)
        scores_B1HW: Tensor = self.score(x_BFHW) + x_BFHW.shape[1] ** 0.5 * fits_B1HW
        return scores_B1HW


def _layer(narrow: int, wide: int, stride: int = 1) -> nn.Module:
    return nn.Sequential(nn.Conv2d(narrow, wide, 3, stride, 1), nn.LeakyReLU(LEAK))


def _joined(coarse: Tensor, fine: Tensor) -> Tensor:
    return torch.cat([functional.interpolate(coarse, scale_factor=2, mode="bilinear"), fine], dim=1)
