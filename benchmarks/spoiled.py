"""Images spoiled in more ways than `fabgan.components.measures.spoiling` has, for the known-answer ladder.

Dimensions: N images, C channels, H W pixels.
"""

import torch
from torch import Tensor
from torch.nn import functional

from fabgan.components.measures.spoiling import as_uint8
from fabgan.model.streams import random_stream

SEED = 1
GRID = {"padding_mode": "reflection", "align_corners": False}


def warped(x_NCHW: Tensor, sigma_px: float, cell_px: int = 8) -> Tensor:
    """Return images whose pixels are displaced by a random field that changes over `cell_px`."""
    count, _, side_px, _ = x_NCHW.shape
    coarse = torch.randn(count, 2, side_px // cell_px, side_px // cell_px, generator=random_stream(SEED, "warp"))
    field = functional.interpolate(coarse, size=(side_px, side_px), mode="bicubic")
    field = field / field.std() * sigma_px * 2 / side_px
    return _sampled(x_NCHW, torch.eye(2, 3), field.permute(0, 2, 3, 1))


def moved(x_NCHW: Tensor, scale: float = 1.0, across: float = 0.0, down: float = 0.0) -> Tensor:
    """Return a part of each image, `scale` of its side; its middle is moved by shares of the side."""
    return posed(x_NCHW, torch.tensor([[scale, 0, 2 * across], [0, scale, 2 * down]]))


def posed(x_NCHW: Tensor, pose_23: Tensor) -> Tensor:
    """Return images in a pose; see `fabgan.model.measures.poses`."""
    return _sampled(x_NCHW, pose_23, torch.zeros(()))


def with_foreign_half(x_NCHW: Tensor, share: float) -> Tensor:
    """Return images whose right part, from `share` of the side, is another image's, off the borders of regions."""
    first = int(share * x_NCHW.shape[-1])
    return torch.cat([x_NCHW[..., :first], x_NCHW.roll(len(x_NCHW) // 2, 0)[..., first:]], dim=-1)


def with_foreign_square(x_NCHW: Tensor, side_share: float) -> Tensor:
    """Return images with a square of another image, where it lies there."""
    mixed, side = x_NCHW.clone(), int(side_share * x_NCHW.shape[-1])
    others = x_NCHW.roll(len(x_NCHW) // 2, 0)
    places = torch.randint(x_NCHW.shape[-1] - side, (len(x_NCHW), 2), generator=random_stream(SEED, "squares"))
    for image, other, (top, left) in zip(mixed, others, places.tolist(), strict=True):
        image[:, top : top + side, left : left + side] = other[:, top : top + side, left : left + side]
    return mixed


def with_stuck_rows(x_NCHW: Tensor, count: int) -> Tensor:
    """Return images in which some rows repeat the one above them."""
    stuck = x_NCHW.clone()
    tops = torch.randint(1, x_NCHW.shape[-2] - count, (len(x_NCHW),), generator=random_stream(SEED, "rows"))
    for image, top in zip(stuck, tops.tolist(), strict=True):
        image[:, top : top + count] = image[:, top - 1 : top]
    return stuck


def with_moved_bottom(x_NCHW: Tensor, share: float) -> Tensor:
    """Return images whose lower part is moved to the right by a share of the side; what leaves comes in again."""
    top, moved_px = 3 * x_NCHW.shape[-2] // 5, int(share * x_NCHW.shape[-1])
    return torch.cat([x_NCHW[..., :top, :], x_NCHW[..., top:, :].roll(moved_px, -1)], dim=-2)


def _sampled(x_NCHW: Tensor, transform: Tensor, field: Tensor) -> Tensor:
    grid = functional.affine_grid(transform.expand(len(x_NCHW), 2, 3), list(x_NCHW.shape), align_corners=False)
    return as_uint8(functional.grid_sample(x_NCHW.float(), grid + field, mode="bicubic", **GRID))  # type: ignore[arg-type]


def relit(x_NCHW: Tensor, gain: float = 1.0, gamma: float = 1.0, slope: float = 0.0) -> Tensor:
    """Return images in another light; `slope` is the difference of brightness between left and right."""
    ramp = torch.linspace(-slope / 2, slope / 2, x_NCHW.shape[-1])
    return as_uint8(255 * (x_NCHW / 255) ** gamma * gain + ramp)


def flattened(x_NCHW: Tensor, contrast: float) -> Tensor:
    """Return images with less contrast."""
    mean = x_NCHW.float().mean(dim=(1, 2, 3), keepdim=True)
    return as_uint8((x_NCHW - mean) * contrast + mean)


def ghosts(x_NCHW: Tensor) -> Tensor:
    """Return means of two images each."""
    return as_uint8((x_NCHW.float() + x_NCHW.roll(1, 0)) / 2)


def chimeras(x_NCHW: Tensor) -> Tensor:
    """Return images whose right half is another image's."""
    half = x_NCHW.shape[-1] // 2
    return torch.cat([x_NCHW[..., :half], x_NCHW.roll(1, 0)[..., half:]], dim=-1)


def shuffled_quarters(x_NCHW: Tensor) -> Tensor:
    """Return images whose quarters were exchanged crosswise."""
    half = x_NCHW.shape[-1] // 2
    return x_NCHW.roll((half, half), (-2, -1))


def with_marks(x_NCHW: Tensor, side_share: float) -> Tensor:
    """Return images with a grey square at a random place."""
    marked, side = x_NCHW.clone(), int(side_share * x_NCHW.shape[-1])
    places = torch.randint(x_NCHW.shape[-1] - side, (len(x_NCHW), 2), generator=random_stream(SEED, "marks"))
    for image, (top, left) in zip(marked, places.tolist(), strict=True):
        image[:, top : top + side, left : left + side] = 128
    return marked


def coarse(x_NCHW: Tensor, factor: int) -> Tensor:
    """Return images shrunk by a factor and enlarged again without smoothing."""
    return (
        functional.avg_pool2d(x_NCHW.float(), factor)
        .round()
        .to(torch.uint8)
        .repeat_interleave(factor, -1)
        .repeat_interleave(factor, -2)
    )


def posterised(x_NCHW: Tensor, levels: int) -> Tensor:
    """Return images with few brightness levels."""
    return as_uint8((x_NCHW / 255 * (levels - 1)).round() * 255 / (levels - 1))
