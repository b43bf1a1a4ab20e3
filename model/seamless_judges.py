"""The judges of the seamless generator: D sees windows of an image, told where they lie, and FD the whole image.

Windows lie anywhere: the paper's four regions, and windows that straddle the borders between them, so that D judges
what happens there too (macro patches of COCO-GAN, Lin et al. 2019, arXiv:1904.00284). Where a window lies is told by
continuous coordinates, two channels beside its pixels. A judge is a stem of strided convolutions down to 16 x 16
cells, then one linear layer that weighs every cell by itself: packages lie upright and in the middle, so what is
right depends on where it is. Nothing mixes images, so the gradient of a batch is the sum of those of its parts.

Dimensions: B batch, C image channels, F features, H W pixels or cells.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.seamless import SLOPE, SeamlessConfig

JUDGED_CELLS = 16
COORDINATES = 2


class Window(NamedTuple):
    """A square window of half the image's side, by its top left pixel."""

    top_px: int
    left_px: int

    def of(self, x_BCHW: Tensor) -> Tensor:
        """Return this window of images, B x C x H/2 x W/2: a view, psi(x, r') of the paper for any r'."""
        side_px = x_BCHW.shape[-1] // 2
        return x_BCHW[..., self.top_px : self.top_px + side_px, self.left_px : self.left_px + side_px]


def draw_windows(size_px: int, stream: torch.Generator) -> tuple[Window, Window]:
    """Return one of the four regions, and a window across at least one of the borders between them."""
    half_px = size_px // 2
    row, column = (int(torch.randint(2, (), generator=stream)) for _ in range(2))
    across, along = (
        int(torch.randint(1, half_px, (), generator=stream)),
        int(torch.randint(half_px + 1, (), generator=stream)),
    )
    straddling = Window(across, along) if torch.rand((), generator=stream) < 0.5 else Window(along, across)
    return Window(row * half_px, column * half_px), straddling


class RegionJudge(nn.Module):
    """D(x, r'): is this window of an image real, and does it lie where it is said to?"""

    def __init__(self, config: SeamlessConfig) -> None:
        super().__init__()
        self.size_px = config.image_size_px
        widths = _widths(config.discriminator_width, config.feature_cap, config.image_size_px // 2)
        self.stem = _strided_stem(config.channels + COORDINATES, widths)
        self.head = Head(widths[-1], config.classes)

    def forward(self, x_BCHW: Tensor, window: Window, labels_B: Tensor | None = None) -> Tensor:
        """Return one logit an image, B, for the window that lies there of images in [-1, 1]."""
        place_2HW = _coordinates(window, self.size_px, x_BCHW)
        placed = torch.cat([x_BCHW, place_2HW.expand(len(x_BCHW), -1, -1, -1)], dim=1)
        logits_B: Tensor = self.head(self.stem(placed), labels_B)
        return logits_B


class FullJudge(nn.Module):
    """FD(x): is this whole image real and natural?"""

    def __init__(self, config: SeamlessConfig) -> None:
        super().__init__()
        widths = _widths(config.full_discriminator_width, config.feature_cap, config.image_size_px)
        self.stem = _strided_stem(config.channels, widths)
        self.head = Head(widths[-1], config.classes)

    def forward(self, x_BCHW: Tensor, labels_B: Tensor | None = None) -> Tensor:
        """Return one logit an image, B, for whole images in [-1, 1]."""
        logits_B: Tensor = self.head(self.stem(x_BCHW), labels_B)
        return logits_B


class Head(nn.Module):
    """A weight for every feature of every cell; with classes, another set of them for each (Miyato and Koyama 2018).

    The logit is head(x) + head_label(x), the projection of arXiv:1802.05637. It has no bias: only differences of
    logits count.
    """

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.weigh = nn.Linear(features * JUDGED_CELLS**2, 1 + classes, bias=False)

    def forward(self, x_BFHW: Tensor, labels_B: Tensor | None) -> Tensor:
        """Return one logit an image, B."""
        weighed: Tensor = self.weigh(x_BFHW.flatten(1))
        logits_B = weighed[:, 0]
        return logits_B if labels_B is None else logits_B + weighed.gather(1, 1 + labels_B[:, None])[:, 0]


def _coordinates(window: Window, size_px: int, like_BCHW: Tensor) -> Tensor:
    """Return where a window's pixels lie in the image, 2 (y, x) x H x W, in [-1, 1]."""
    offsets = torch.arange(like_BCHW.shape[-1]).to(like_BCHW) + 0.5
    axes = [(start_px + offsets) * 2 / size_px - 1 for start_px in window]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))


def _widths(width: int, cap: int, size_px: int) -> list[int]:
    levels = int(math.log2(size_px // JUDGED_CELLS))
    return [min(width << level, cap) for level in range(levels)]


def _strided_stem(inputs: int, widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for narrow, wide in pairwise([inputs, *widths]):
        layer = nn.Conv2d(narrow, wide, 4, 2, 1)
        nn.init.kaiming_normal_(layer.weight, SLOPE)
        nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
        layers += [layer, nn.LeakyReLU(SLOPE, inplace=True)]
    return nn.Sequential(*layers)
