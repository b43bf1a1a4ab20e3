"""The discriminators of the seamless model. D scores windows of an image with their position, FD the coarse image.

Windows are regions as in the paper, but lie anywhere. So D also scores what happens between regions (macro patches of
COCO-GAN, Lin et al. 2019, arXiv:1904.00284). Two channels beside the pixels give the window's position as continuous
coordinates.

A discriminator is a stem of strided convolutions down to 16 x 16 cells, then one linear layer with separate weights per
cell. Packages lie upright and in the middle, so what is right depends on the position. No layer mixes images, so the
gradient of a batch is the sum of the gradients of its parts.

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
    """Return two random windows: a region of the grid of windows, and a window anywhere on the trunk's cells."""
    size_px, side_px = config.image_size_px, config.window_px
    region = _draw_window(size_px, side_px, side_px, stream)
    return region, _draw_window(size_px, side_px, size_px // config.trunk_cells, stream)


def _draw_window(size_px: int, side_px: int, stride_px: int, stream: torch.Generator) -> Window:
    positions = (size_px - side_px) // stride_px + 1
    top, left = (torch.randint(positions, (2,), generator=stream) * stride_px).tolist()
    return Window(top, left, side_px)


class RegionDiscriminator(nn.Module):
    """D(x, r'): scores whether a window is real and lies at its coordinates."""

    def __init__(self, config: SeamlessConfig) -> None:
        super().__init__()
        self.size_px = config.image_size_px
        widths = _widths(config.discriminator_width, config.feature_cap, config.window_px)
        self.stem = _strided_stem(config.channels + COORDINATES, widths)
        self.head = Head(widths[-1], config.classes)

    def forward(self, x_BCHW: Tensor, window: Window, labels_B: Tensor | None = None) -> Tensor:
        """Return one logit per image, B. `x_BCHW` holds the pixels of `window`, in [-1, 1]."""
        position_2HW = _coordinates(window, self.size_px, x_BCHW)
        inputs = torch.cat([x_BCHW, position_2HW.expand(len(x_BCHW), -1, -1, -1)], dim=1)
        logits_B: Tensor = self.head(self.stem(inputs), labels_B)
        return logits_B


class FullDiscriminator(nn.Module):
    """FD(x): scores whether a whole image is real and natural."""

    def __init__(self, config: SeamlessConfig) -> None:
        super().__init__()
        widths = _widths(config.full_discriminator_width, config.feature_cap, config.coarse_px)
        self.stem = _strided_stem(config.channels, widths)
        self.head = Head(widths[-1], config.classes)

    def forward(self, x_BCHW: Tensor, labels_B: Tensor | None = None) -> Tensor:
        """Return one logit per image, B, for coarse images in [-1, 1]."""
        logits_B: Tensor = self.head(self.stem(x_BCHW), labels_B)
        return logits_B


class Head(nn.Module):
    """One weight per feature and cell; with classes, one more set of weights per class (Miyato and Koyama 2018).

    The logit is head(x) + head_label(x), the projection of arXiv:1802.05637. It has no bias, because only differences
    of logits enter the losses.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.weigh = nn.Linear(features * DISCRIMINATOR_CELLS**2, 1 + classes, bias=False)

    def forward(self, x_BFHW: Tensor, labels_B: Tensor | None) -> Tensor:
        """Return one logit per image, B."""
        # The losses hold small differences of large logits, for which the 8 bits of bfloat16 are too few.
        with torch.autocast(x_BFHW.device.type, enabled=False):
            weighed: Tensor = self.weigh(x_BFHW.flatten(1).to(self.weigh.weight.dtype))
        logits_B = weighed[:, 0]
        return logits_B if labels_B is None else logits_B + weighed.gather(1, 1 + labels_B[:, None])[:, 0]


def _coordinates(window: Window, size_px: int, like_BCHW: Tensor) -> Tensor:
    """Return the coordinates of a window's pixels in the image: 2 (y, x) x H x W, in [-1, 1]."""
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
