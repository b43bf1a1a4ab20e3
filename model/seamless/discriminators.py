"""The judges of the seamless generator: D sees windows of an image, told where they lie, and FD the coarse image.

Windows are regions as in the paper, and lie anywhere, so that D judges what happens between regions too (macro
patches of COCO-GAN, Lin et al. 2019, arXiv:1904.00284). Where a window lies is told by
continuous coordinates, two channels beside its pixels. A judge is a stem of strided convolutions down to 16 x 16
cells, then one linear layer that weighs every cell by itself: packages lie upright and in the middle, so what is
right depends on where it is. Nothing mixes images, so the gradient of a batch is the sum of those of its parts.

Dimensions: B batch, C image channels, F features, H W pixels or cells.
"""

import math
from itertools import pairwise

import torch
from torch import Tensor, nn

from ..regions import Window
from .config import SeamlessConfig
from .layers import SLOPE

DISCRIMINATOR_CELLS = 16
COORDINATES = 2


def draw_windows(config: SeamlessConfig, stream: torch.Generator) -> tuple[Window, Window]:
    """Return one of the regions into which windows divide the image, and a window anywhere, on the trunk's cells."""
    size_px, side_px = config.image_size_px, config.window_px
    return _drawn(size_px, side_px, side_px, stream), _drawn(size_px, side_px, size_px // config.trunk_cells, stream)


def _drawn(size_px: int, side_px: int, apart_px: int, stream: torch.Generator) -> Window:
    places = (size_px - side_px) // apart_px + 1
    top, left = (torch.randint(places, (2,), generator=stream) * apart_px).tolist()
    return Window(top, left, side_px)


class RegionDiscriminator(nn.Module):
    """D(x, r'): is this window of an image real, and does it lie where it is said to?"""

    def __init__(self, config: SeamlessConfig) -> None:
        super().__init__()
        self.size_px = config.image_size_px
        widths = _widths(config.discriminator_width, config.feature_cap, config.window_px)
        self.stem = _strided_stem(config.channels + COORDINATES, widths)
        self.head = Head(widths[-1], config.classes)

    def forward(self, x_BCHW: Tensor, window: Window, labels_B: Tensor | None = None) -> Tensor:
        """Return one logit an image, B, for the window that lies there of images in [-1, 1]."""
        place_2HW = _coordinates(window, self.size_px, x_BCHW)
        placed = torch.cat([x_BCHW, place_2HW.expand(len(x_BCHW), -1, -1, -1)], dim=1)
        logits_B: Tensor = self.head(self.stem(placed), labels_B)
        return logits_B


class FullDiscriminator(nn.Module):
    """FD(x): is this whole image real and natural?"""

    def __init__(self, config: SeamlessConfig) -> None:
        super().__init__()
        widths = _widths(config.full_discriminator_width, config.feature_cap, config.coarse_px)
        self.stem = _strided_stem(config.channels, widths)
        self.head = Head(widths[-1], config.classes)

    def forward(self, x_BCHW: Tensor, labels_B: Tensor | None = None) -> Tensor:
        """Return one logit an image, B, for coarse images in [-1, 1]."""
        logits_B: Tensor = self.head(self.stem(x_BCHW), labels_B)
        return logits_B


class Head(nn.Module):
    """A weight for every feature of every cell; with classes, another set of them for each (Miyato and Koyama 2018).

    The logit is head(x) + head_label(x), the projection of arXiv:1802.05637. It has no bias: only differences of
    logits count.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.weigh = nn.Linear(features * DISCRIMINATOR_CELLS**2, 1 + classes, bias=False)

    def forward(self, x_BFHW: Tensor, labels_B: Tensor | None) -> Tensor:
        """Return one logit an image, B."""
        weighed: Tensor = self.weigh(x_BFHW.flatten(1))
        logits_B = weighed[:, 0]
        return logits_B if labels_B is None else logits_B + weighed.gather(1, 1 + labels_B[:, None])[:, 0]


def _coordinates(window: Window, size_px: int, like_BCHW: Tensor) -> Tensor:
    """Return where a window's pixels lie in the image, 2 (y, x) x H x W, in [-1, 1]."""
    offsets = torch.arange(like_BCHW.shape[-1]).to(like_BCHW) + 0.5
    axes = [(start_px + offsets) * 2 / size_px - 1 for start_px in (window.top_px, window.left_px)]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))


def _widths(width: int, cap: int, size_px: int) -> list[int]:
    levels = int(math.log2(size_px // DISCRIMINATOR_CELLS))
    return [min(width << level, cap) for level in range(levels)]


def _strided_stem(inputs: int, widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for narrow, wide in pairwise([inputs, *widths]):
        layer = nn.Conv2d(narrow, wide, 4, 2, 1)
        nn.init.kaiming_normal_(layer.weight, SLOPE)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        layers += [layer, nn.LeakyReLU(SLOPE, inplace=True)]
    return nn.Sequential(*layers)
