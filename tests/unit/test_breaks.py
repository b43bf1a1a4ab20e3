"""Straight breaks are seen wherever they lie, and what a product shows is no break.

Dimensions: N images, C channels, H W pixels.
"""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks import spoiled
from fabgan.model.measures.breaks import broken_share, straight_breaks
from fabgan.model.pixels import brightness

SIDE = 128


def textures(seed: int, count: int = 12) -> Tensor:
    """Return smooth random textures with a little noise, uint8."""
    stream = torch.Generator().manual_seed(seed)
    coarse = torch.randn(count, 3, SIDE // 8, SIDE // 8, generator=stream)
    noise = torch.randn(count, 3, SIDE, SIDE, generator=stream)
    smooth = functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic")
    return (120 + 30 * smooth + 2 * noise).round().clamp(0, 255).to(torch.uint8)


def breaks(x_NCHW: Tensor) -> Tensor:
    return straight_breaks(brightness(x_NCHW))


@pytest.mark.parametrize(
    "broken",
    [
        spoiled.with_foreign_half(textures(1), 0.37),
        spoiled.with_foreign_half(textures(1), 0.37).mT,
        spoiled.with_foreign_square(textures(1), 0.4),
        spoiled.with_stuck_rows(textures(1), 8),
        spoiled.with_moved_bottom(textures(1), 0.1),
    ],
    ids=["foreign half", "foreign lower half", "foreign square", "stuck rows", "moved bottom"],
)
def test_a_break_is_more_visible_than_any_in_images_that_were_not_broken(broken: Tensor) -> None:
    assert float(breaks(broken).median()) > float(breaks(textures(2)).max())
    assert broken_share(breaks(broken), breaks(textures(2, 48))) > 0.6


def test_the_largest_step_of_a_line_is_measured_beside_the_lines_around_it() -> None:
    steps = torch.zeros(1, SIDE, SIDE)
    steps[..., 50:] = 40
    assert float(straight_breaks(steps)) == pytest.approx(1 + 40 / 3, rel=0.05)
    assert float(straight_breaks(steps.mT)) == pytest.approx(1 + 40 / 3, rel=0.05)
    slope = torch.arange(SIDE).expand(1, SIDE, SIDE).float()
    assert float(straight_breaks(slope)) == pytest.approx(1.0)


def test_the_share_counts_images_beyond_most_real_ones() -> None:
    real = torch.arange(101.0)
    assert broken_share(torch.tensor([94.0, 96.0, 200.0, 1.0]), real) == 0.5
    assert broken_share(torch.tensor([1.0, torch.nan]), real) != broken_share(torch.tensor([1.0, torch.nan]), real)
