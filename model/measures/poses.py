"""Poses of small square images: how one lies over another.

A pose is an affine transform in the coordinates of `torch.nn.functional.affine_grid`, from -1 to 1: where an image is
to be sampled to lie over another one.

Dimensions: R pixels a side, P poses.
"""

from math import cos, radians, sin

import torch
from torch import Tensor
from torch.nn import functional

UNMOVED_23 = torch.eye(2, 3)


def pose(turn_deg: float = 0.0, scale: float = 1.0, down: float = 0.0, across: float = 0.0) -> Tensor:
    """Return the pose that moves an image up and left by shares of half a side, turns it and magnifies it: 2 x 3."""
    turn = radians(turn_deg)
    turned_22 = torch.tensor([[cos(turn), -sin(turn)], [sin(turn), cos(turn)]]) / scale
    return torch.cat([turned_22, turned_22 @ torch.tensor([[across], [down]])], dim=1)


def followed(first: Tensor, second: Tensor) -> Tensor:
    """Return the poses, ... x 2 x 3, of images that take the first poses, and then the second ones."""
    turned, moved = first[..., :2] @ second[..., :2], first[..., :2] @ second[..., 2:] + first[..., 2:]
    return torch.cat([turned, moved], dim=-1)


def posed(x_PRR: Tensor, poses_P23: Tensor) -> Tensor:
    """Return images in their poses, P x R x R. Beyond its edges, an image is mirrored."""
    grid = functional.affine_grid(poses_P23, [len(poses_P23), 1, *x_PRR.shape[1:]], align_corners=False)
    options = {"mode": "bicubic", "padding_mode": "reflection", "align_corners": False}
    return functional.grid_sample(x_PRR[:, None], grid, **options)[:, 0]  # type: ignore[arg-type]


def shared_windows(poses_P23: Tensor, side_px: int) -> Tensor:
    """Return windows that fall from the middle of what an image below and one in a pose share to zero: P x R x R."""
    turned_P22, moved_P2 = poses_P23[..., :2], poses_P23[..., 2]
    reach_P2 = turned_P22.square().sum(dim=1).sqrt()
    middle_P2 = -torch.linalg.solve(turned_P22, moved_P2)
    low_P2, high_P2 = (middle_P2 - 1 / reach_P2).clamp(min=-1), (middle_P2 + 1 / reach_P2).clamp(max=1)
    places_R = (torch.arange(side_px) + 0.5) * 2 / side_px - 1
    share_P2R = (places_R - ((low_P2 + high_P2) / 2)[..., None]) / ((high_P2 - low_P2) / 2).clamp(min=1e-3)[..., None]
    across_PR, down_PR = (0.5 + 0.5 * torch.cos(torch.pi * share_P2R.clamp(-1, 1))).unbind(dim=1)
    return down_PR[..., None] * across_PR[:, None]
