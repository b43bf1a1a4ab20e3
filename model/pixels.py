"""The one place where pixels change between uint8 [0, 255] (files) and float32 [-1, 1] (networks)."""

import torch
from torch import Tensor


def to_float(x: Tensor) -> Tensor:
    """Return uint8 pixels in [0, 255] as float (torch's default type, float32) in [-1, 1]."""
    return x.to(torch.get_default_dtype()).div_(127.5).sub_(1.0)


def to_uint8(x: Tensor) -> Tensor:
    """Return float pixels in [-1, 1] as uint8 in [0, 255], rounded to the nearest and clipped."""
    return x.detach().add(1.0).mul(127.5).round().clamp(0, 255).to(torch.uint8)
