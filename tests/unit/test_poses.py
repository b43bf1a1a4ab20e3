"""Poses are put together, sampled, and cut to what two images share.

Dimensions: R pixels a side, P poses.
"""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fabgan.model.measures.poses import UNMOVED_23, followed, pose, posed, shared_windows

SIDE = 64


def picture() -> Tensor:
    coarse = torch.randn(1, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    return functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic")[0]


def inner(x_PRR: Tensor) -> Tensor:
    return x_PRR[:, SIDE // 4 : -SIDE // 4, SIDE // 4 : -SIDE // 4]


def test_an_image_is_moved_up_and_left_by_halves_of_its_side() -> None:
    moved = posed(picture(), pose(down=0.25, across=0.125)[None])
    torch.testing.assert_close(inner(moved), inner(picture().roll((-8, -4), (1, 2))))
    torch.testing.assert_close(posed(picture(), UNMOVED_23[None]), picture())


@pytest.mark.parametrize(("first", "second"), [(pose(5, 1.2), pose(-3, 0.9, 0.1, 0.2)), (pose(0, 1, 0.3), pose(10))])
def test_one_pose_follows_another(first: Tensor, second: Tensor) -> None:
    once = posed(picture(), followed(first, second)[None])
    twice = posed(posed(picture(), first[None]), second[None])
    assert float((inner(once) - inner(twice)).abs().max()) < 0.1


def test_a_turn_and_its_reverse_change_nothing() -> None:
    both = followed(followed(pose(7, 1.3), pose(0, 1 / 1.3)), pose(-7))
    torch.testing.assert_close(both, UNMOVED_23)


def test_a_window_covers_the_square_that_two_images_share() -> None:
    windows = shared_windows(torch.stack([pose(), pose(across=0.5), pose(0, 0.8), pose(down=3)]), SIDE)
    inside = windows > 0
    sides = [(int(one.any(dim=0).sum()), int(one.any(dim=1).sum())) for one in inside[:3]]
    assert sides == [(64, 64), (48, 64), (52, 52)]
    assert float(windows[0].max()) == pytest.approx(1.0, abs=0.01)
    assert torch.equal(windows[1, :, 48:], torch.zeros(SIDE, 16))
    assert not inside[3].any()


@pytest.mark.parametrize("one", [pose(4), pose(0, 0.8), pose(0, 1, 0.5, -0.3), pose(-6, 0.9, 0.2)])
def test_nothing_is_in_the_window_that_the_posed_image_does_not_show(one: Tensor) -> None:
    window = shared_windows(one[None], SIDE)
    grid = functional.affine_grid(one[None], [1, 1, SIDE, SIDE], align_corners=False)
    shown = functional.grid_sample(torch.ones(1, 1, SIDE, SIDE), grid, align_corners=False)[0]
    assert float(window[shown < 0.5].sum()) < 0.02 * float(window.sum())
