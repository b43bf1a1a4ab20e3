"""Conversion of pixels between uint8 [0, 255] (files) and float32 [-1, 1] (networks), and shrinking of images.

Dimensions: N B images, C channels, H W pixels, P values of a thumbnail.
"""

import torch
from torch import Tensor
from torch.nn import functional

THUMBNAIL_PX = 32


def to_float(x: Tensor) -> Tensor:
    """Return uint8 pixels in [0, 255] as float (torch's default type, float32) in [-1, 1]."""
    return x.to(torch.get_default_dtype()).div_(127.5).sub_(1.0)


def to_uint8(x: Tensor) -> Tensor:
    """Return float pixels in [-1, 1] as uint8 in [0, 255], rounded to the nearest integer and clipped."""
    return to_levels(x).round().clamp(0, 255).to(torch.uint8)


def to_levels(x: Tensor) -> Tensor:
    """Return float pixels in [-1, 1] as float in [0, 255], neither rounded nor clipped."""
    return x.detach().add(1.0).mul(127.5)


def shrunk(x_BCHW: Tensor, size_px: int) -> Tensor:
    """Return images averaged down to `size_px` a side. `size_px` must divide their side."""
    factor = x_BCHW.shape[-1] // size_px
    return functional.avg_pool2d(x_BCHW, factor) if factor > 1 else x_BCHW


def brightness(x_NCHW: Tensor) -> Tensor:
    """Return the mean of the channels as float: N x H x W. Adding channels is faster than a mean across them."""
    first_NHW, *others = x_NCHW.unbind(dim=1)
    total_NHW = first_NHW.to(torch.float32, copy=True)
    for other_NHW in others:
        total_NHW += other_NHW
    return total_NHW.div_(x_NCHW.shape[1])


def thumbnails(x_NCHW: Tensor) -> Tensor:
    """Return uint8 images shrunk to `THUMBNAIL_PX` a side: N x P, float in [0, 255].

    Distances between thumbnails separate products. Images are shrunk one by one, because they may be large.
    """
    return torch.cat([shrunk(x_1CHW.float(), THUMBNAIL_PX).flatten(1) for x_1CHW in torch.split(x_NCHW, 1)])
