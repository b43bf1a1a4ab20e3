"""Images spoiled in ways that a failing generator shows. The sensitivity of a verdict is measured with them.

Dimensions: N images, C channels, H W pixels.
"""

import io

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from fabgan.model.pixels import brightness
from fabgan.model.streams import random_stream

from ..artifacts.sheets import pixels_of

SEED = 1


def as_uint8(x: Tensor) -> Tensor:
    """Return pixels rounded and clipped to [0, 255]."""
    return x.round().clamp(0, 255).to(torch.uint8)


def blurred(x_NCHW: Tensor, sigma_px: float) -> Tensor:
    """Return images under a Gaussian blur."""
    return torch.stack([_blurred(x_CHW, sigma_px) for x_CHW in x_NCHW])


def _blurred(x_CHW: Tensor, sigma_px: float) -> Tensor:
    pixels = x_CHW.permute(1, 2, 0).float().numpy()
    found = cv2.GaussianBlur(pixels, (0, 0), sigma_px, borderType=cv2.BORDER_REFLECT_101)
    return as_uint8(torch.from_numpy(found).view(*x_CHW.shape[1:], -1).permute(2, 0, 1))


def noisy(x_NCHW: Tensor, sigma: float, place: str = "noise") -> Tensor:
    """Return images with Gaussian noise. Another `place` gives other noise."""
    return as_uint8(x_NCHW + sigma * torch.randn(x_NCHW.shape, generator=random_stream(SEED, place)))


def compressed(x_NCHW: Tensor, quality: int) -> Tensor:
    """Return images after JPEG compression."""
    return torch.stack([_compressed(x_CHW, quality) for x_CHW in x_NCHW])


def _compressed(x_CHW: Tensor, quality: int) -> Tensor:
    file = io.BytesIO()
    Image.fromarray(pixels_of(x_CHW)).save(file, "JPEG", quality=quality)
    with Image.open(file) as image:
        return torch.from_numpy(np.array(image)).view(*x_CHW.shape[1:], -1).permute(2, 0, 1)


def with_lattice(x_NCHW: Tensor, height: float, period_px: int) -> Tensor:
    """Return images with brighter rows and columns at every `period_px`."""
    line = (torch.arange(x_NCHW.shape[-1]) % period_px == 0) * height
    return as_uint8(x_NCHW + line[:, None] + line - 2 * height / period_px)


def tinted(x_NCHW: Tensor, shift: float) -> Tensor:
    """Return images with more red and less blue."""
    return as_uint8(x_NCHW + shift * torch.tensor([1.0, 0.0, -1.0]).view(3, 1, 1))


def faded(x_NCHW: Tensor, share: float) -> Tensor:
    """Return images that have lost a share of their colour."""
    return as_uint8(torch.lerp(x_NCHW.float(), brightness(x_NCHW)[:, None], share))
