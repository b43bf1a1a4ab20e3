"""The judges of the seamless generator: D sees windows of an image, told where they lie, and FD the whole image.

Windows lie anywhere: the paper's four regions, and windows that straddle the borders between them, so that D judges
what happens there too (macro patches of COCO-GAN, Lin et al. 2019, arXiv:1904.00284). Where a window lies is told by
continuous coordinates, two channels beside its pixels. A judge is a stem of strided convolutions without statistics,
which treats each image alone at high resolution, and a head of few cells with batch normalisation, which sees the
whole batch.

Dimensions: B batch, C image channels, F features, H W pixels or cells.
"""

import math
from itertools import pairwise
from typing import NamedTuple

import torch
from torch import Tensor, nn

from model.seamless import SLOPE, SeamlessConfig

LAST_CELLS = 4
HEAD_LEVELS = 2
"""The head begins at 16 x 16 cells and halves them twice."""
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
        inputs = config.channels + COORDINATES
        widths = _widths(config.discriminator_width, config.feature_cap, config.image_size_px // 2)
        self.stem = _strided_stem(inputs, widths[:-HEAD_LEVELS])
        self.head = _head(widths[-HEAD_LEVELS - 1 :], extra=0)

    def features(self, x_BCHW: Tensor, window: Window) -> Tensor:
        """Return the stem's B x F x 16 x 16 of windows in [-1, 1]."""
        place_2HW = _coordinates(window, self.size_px, x_BCHW)
        placed = torch.cat([x_BCHW, place_2HW.expand(len(x_BCHW), -1, -1, -1)], dim=1)
        features: Tensor = self.stem(placed)
        return features

    def verdict(self, features_BFHW: Tensor) -> Tensor:
        """Return one logit an image, B."""
        logits_B1: Tensor = self.head(features_BFHW)
        return logits_B1.flatten()

    def forward(self, x_BCHW: Tensor, window: Window) -> Tensor:
        """Return one logit an image, B, for the window that lies there of images in [-1, 1]."""
        return self.verdict(self.features(x_BCHW, window))


class FullJudge(nn.Module):
    """FD(x): is this whole image real and natural, and do the images of a batch vary as real ones do?"""

    def __init__(self, config: SeamlessConfig) -> None:
        super().__init__()
        widths = _widths(config.full_discriminator_width, config.feature_cap, config.image_size_px)
        self.stem = _strided_stem(config.channels, widths[:-HEAD_LEVELS])
        self.head = _head(widths[-HEAD_LEVELS - 1 :], extra=1)

    def features(self, x_BCHW: Tensor) -> Tensor:
        """Return the stem's B x F x 16 x 16 of images in [-1, 1]."""
        features: Tensor = self.stem(x_BCHW)
        return features

    def verdict(self, features_BFHW: Tensor) -> Tensor:
        """Return one logit an image, B."""
        logits_B1: Tensor = self.head(torch.cat([features_BFHW, _spread(features_BFHW)], dim=1))
        return logits_B1.flatten()

    def forward(self, x_BCHW: Tensor) -> Tensor:
        """Return one logit an image, B, for whole images in [-1, 1]."""
        return self.verdict(self.features(x_BCHW))


def _spread(x_BFHW: Tensor) -> Tensor:
    """Return how much a batch's features vary, B x 1 x H x W (Karras et al. 2018, arXiv:1710.10196, section 3).

    A batch of look-alikes gives G away.
    """
    spread = (x_BFHW.var(dim=0, correction=0) + 1e-8).sqrt().mean()
    return spread.expand(len(x_BFHW), 1, *x_BFHW.shape[-2:])


def _coordinates(window: Window, size_px: int, like_BCHW: Tensor) -> Tensor:
    """Return where a window's pixels lie in the image, 2 (y, x) x H x W, in [-1, 1]."""
    offsets = torch.arange(like_BCHW.shape[-1]).to(like_BCHW) + 0.5
    axes = [(start_px + offsets) * 2 / size_px - 1 for start_px in window]
    return torch.stack(torch.meshgrid(*axes, indexing="ij"))


def _widths(width: int, cap: int, size_px: int) -> list[int]:
    levels = int(math.log2(size_px // LAST_CELLS))
    return [min(width << level, cap) for level in range(levels)]


def _strided_stem(inputs: int, widths: list[int]) -> nn.Sequential:
    layers: list[nn.Module] = []
    for narrow, wide in pairwise([inputs, *widths]):
        layers += [_initialised(nn.Conv2d(narrow, wide, 4, 2, 1)), nn.LeakyReLU(SLOPE, inplace=True)]
    return nn.Sequential(*layers)


def _head(widths: list[int], extra: int) -> nn.Sequential:
    """Return DCGAN's last layers, whose batch normalisation sees the whole batch in either kind of step."""
    layers: list[nn.Module] = []
    for narrow, wide in pairwise([widths[0] + extra, *widths[1:]]):
        layers += [_initialised(nn.Conv2d(narrow, wide, 4, 2, 1, bias=False))]
        layers += [nn.BatchNorm2d(wide, track_running_stats=False), nn.LeakyReLU(SLOPE, inplace=True)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * LAST_CELLS**2, 1, bias=False))


def _initialised(layer: nn.Conv2d) -> nn.Conv2d:
    nn.init.kaiming_normal_(layer.weight, SLOPE)
    return layer
