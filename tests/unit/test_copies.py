"""Copies of training images are found however they were moved, turned or lit; images that are new are not."""

from collections.abc import Callable
from functools import cache

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks import spoiled
from fabgan.components.measures import spoiling
from fabgan.model.measures.copies import SIDE_PX, CopySearch, Likeness, shrunk_to_compare, symmetries, turned
from fabgan.model.measures.poses import pose
from fabgan.model.pixels import brightness

SIDE = 128
COUNT = 6
Change = Callable[[Tensor], Tensor]
MARKS = [(20, 24, 14), (88, 30, 9), (50, 90, 18), (100, 96, 12), (40, 52, 8), (70, 60, 16), (24, 84, 10), (64, 26, 12)]
"""Top, left and side of squares that tell the pose of an image, in pixels."""


@cache
def product(seed: int, channels: int) -> Tensor:
    """Return smooth random textures under the same grid of lines, so that all look like one product, uint8."""
    coarse = torch.randn(COUNT, channels, SIDE // 4, SIDE // 4, generator=torch.Generator().manual_seed(seed))
    texture = functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic")
    line = (torch.arange(SIDE) % 16 < 3).float()
    return spoiling.as_uint8(25 * texture + 120 + 60 * torch.maximum(line, line[:, None]))


@cache
def search(channels: int) -> CopySearch:
    return CopySearch(shrunk(product(1, channels)))


def shrunk(x_NCHW: Tensor) -> Tensor:
    return shrunk_to_compare(brightness(x_NCHW))


def likeness(x_NCHW: Tensor) -> Likeness:
    return search(x_NCHW.shape[1]).likeness(shrunk(x_NCHW), torch.arange(3).expand(len(x_NCHW), 3))


@cache
def likeness_of_new(channels: int) -> Likeness:
    return likeness(product(2, channels))


def rolled(x_NCHW: Tensor, share: float) -> Tensor:
    """Return images moved down and to the right; what leaves on one side comes in on the other."""
    return x_NCHW.roll((round(share * SIDE), round(share * SIDE)), (-2, -1))


def with_half_of(x_NCHW: Tensor, other_NCHW: Tensor) -> Tensor:
    """Return images whose left half is that of others."""
    mixed = x_NCHW.clone()
    mixed[..., : SIDE // 2] = other_NCHW[..., : SIDE // 2]
    return mixed


def test_a_half_that_was_copied_is_found_whatever_the_other_half_shows() -> None:
    mixed = likeness(with_half_of(product(2, 3), product(1, 3)))
    assert mixed.part_N.min() > 0.97
    assert mixed.part_N.min() > likeness_of_new(3).part_N.max() + 0.2


COPIES: dict[str, Change] = {
    "exact": lambda x: x,
    "moved by 2%": lambda x: spoiled.moved(x, 1, 0.02, -0.01),
    "moved by 6%": lambda x: spoiled.moved(x, 1, -0.06, 0.06),
    "moved by 10%": lambda x: spoiled.moved(x, 1, 0.1, -0.05),
    "rolled by 2%": lambda x: rolled(x, 0.02),
    "rolled by 6%": lambda x: rolled(x, -0.06),
    "rolled by 10%": lambda x: rolled(x, 0.1),
    "smaller by 5%": lambda x: spoiled.moved(x, 1 / 0.95),
    "larger by 5%": lambda x: spoiled.moved(x, 1 / 1.05),
    "gamma of 0.8": lambda x: spoiled.relit(x, gamma=0.8),
    "darker": lambda x: spoiled.relit(x, gain=0.7),
    "lit from a side": lambda x: spoiled.relit(x, slope=40),
    "a little noise": lambda x: spoiling.noisy(x, 3),
    "a little blur": lambda x: spoiling.blurred(x, 1),
    "moved, turned and darker": lambda x: turned(spoiled.relit(spoiled.moved(x, 1, 0.03, 0.05), gain=0.8), 6),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", COPIES)
def test_a_copy_is_more_like_its_training_image_than_any_new_image_is(name: str, channels: int) -> None:
    found = likeness(COPIES[name](product(1, channels)))
    assert found.place_N.tolist() == list(range(COUNT))
    least = 0.985 if "moved" in name or "rolled" in name else 0.94
    assert least < float(found.similarity_N.min()) <= float(found.similarity_N.max()) <= 1
    assert float(likeness_of_new(channels).similarity_N.max()) < 0.5


@pytest.mark.parametrize("number", range(8))
def test_a_flipped_or_rotated_copy_is_found_with_its_symmetry(number: int) -> None:
    training = product(1, 3)
    copies = turned(training, number)
    found = likeness(copies)
    assert float(found.similarity_N.min()) > 0.99
    for copy, place, symmetry in zip(copies, found.place_N.tolist(), found.symmetry_N.tolist(), strict=True):
        assert torch.equal(turned(training[place], symmetry), copy)


def test_the_eight_symmetries_are_all_different_and_the_first_changes_nothing() -> None:
    x = product(1, 3)[0]
    all_of_them = symmetries(x)
    assert all_of_them.shape == (3, 8, SIDE, SIDE)
    assert torch.equal(all_of_them[:, 0], x)
    assert len({turned(x, number).numpy().tobytes() for number in range(8)}) == 8
    assert all(torch.equal(all_of_them[:, number], turned(x, number)) for number in range(8))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("down", "across"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_a_quarter_that_was_copied_in_place_is_seen_as_a_part(down: int, across: int, channels: int) -> None:
    half, mixed = SIDE // 2, product(2, channels).clone()
    quarter = (..., slice(down * half, (down + 1) * half), slice(across * half, (across + 1) * half))
    mixed[quarter] = product(1, channels)[quarter]
    assert float(likeness(mixed).part_N.min()) > 0.8
    assert float(likeness_of_new(channels).part_N.max()) < 0.6


def test_a_middle_that_was_copied_in_place_is_seen_as_a_part() -> None:
    mixed = product(2, 3).clone()
    middle = (..., slice(SIDE // 4, 3 * SIDE // 4), slice(SIDE // 4, 3 * SIDE // 4))
    mixed[middle] = product(1, 3)[middle]
    assert float(likeness(mixed).part_N.min()) > 0.95


@pytest.mark.parametrize("brightness", [0, 90, 255])
def test_flat_images_are_like_nothing(brightness: int) -> None:
    flat = torch.full((2, 3, SIDE, SIDE), brightness, dtype=torch.uint8)
    found = likeness(flat)
    for values in (found.similarity_N, found.part_N):
        assert float(values.abs().max()) < 0.05


def test_no_new_image_is_like_flat_training_images() -> None:
    flat = torch.full((2, SIDE_PX, SIDE_PX), 90.0)
    found = CopySearch(flat).likeness(shrunk(product(2, 3)), torch.zeros(COUNT, 1, dtype=torch.int64))
    for values in (found.similarity_N, found.part_N):
        assert float(values.abs().max()) < 0.5


def test_the_training_images_that_were_copied_are_pointed_at() -> None:
    copies = torch.cat([turned(product(1, 3)[[1, 4]], 3), rolled(product(1, 3)[[2]], 0.06)])
    assert likeness(copies).place_N.tolist() == [1, 4, 2]
    assert len(search(3)) == COUNT


def test_the_training_images_whose_parts_were_copied_are_pointed_at() -> None:
    mixed, half = product(2, 3).clone(), SIDE // 2
    mixed[..., half:, :half] = turned(product(1, 3), 5)[..., half:, :half].flip(0)
    found = likeness(mixed)
    for number in range(len(mixed)):
        match = found.of(number, by_part=True)
        assert (match.place, match.symmetry, match.by_part) == (len(mixed) - 1 - number, 5, True)
        assert match.similarity == found.part_N[number] > 0.8
        assert found.of(number, by_part=False).similarity == found.similarity_N[number]


def test_each_image_is_searched_for_by_itself() -> None:
    x = torch.cat([product(1, 3)[:2], product(2, 3)[:2]])
    together, alone = likeness(x), [likeness(x_1CHW) for x_1CHW in torch.split(x, 1)]
    assert together.similarity_N.tolist() == pytest.approx([float(one.similarity_N) for one in alone], abs=1e-5)
    assert together.part_N.tolist() == pytest.approx([float(one.part_N) for one in alone], abs=1e-5)


@cache
def marked(seed: int) -> Tensor:
    """Return images of `product` with the same marks on all of them, which tell the pose."""
    x_NCHW = product(seed, 3).clone()
    for top, left, size in MARKS:
        x_NCHW[..., top : top + size, left : left + size] = 250 - 10 * size
    return x_NCHW


def likeness_of_marked(x_NCHW: Tensor) -> Likeness:
    """Return the likeness to marked images, whose pose the last two of them tell."""
    alike = torch.tensor([COUNT - 1, COUNT - 2]).expand(len(x_NCHW), 2)
    return CopySearch(shrunk(marked(1))).likeness(shrunk(x_NCHW), alike)


POSED: dict[str, Change] = {
    "turned by 4 degrees": lambda x: spoiled.posed(x, pose(4)),
    "turned by 6 degrees": lambda x: spoiled.posed(x, pose(6)),
    "smaller by an eighth": lambda x: spoiled.moved(x, 8 / 7),
    "turned by -9 degrees": lambda x: spoiled.posed(x, pose(-9)),
    "a part of 80%": lambda x: spoiled.moved(x, 0.8),
    "smaller by a fifth": lambda x: spoiled.moved(x, 1.25),
    "moved by 25%": lambda x: spoiled.moved(x, 1, 0.25),
    "mirrored, turned, magnified and darker": lambda x: spoiled.relit(
        spoiled.posed(turned(x, 5), pose(-5, 1.1, 0.1, -0.1)), gain=0.8
    ),
}


@pytest.mark.parametrize("name", POSED)
def test_a_copy_in_another_pose_is_found(name: str) -> None:
    copies = POSED[name](marked(1)[: COUNT - 2])
    found, new = likeness_of_marked(copies), likeness_of_marked(POSED[name](marked(2)[: COUNT - 2]))
    assert found.place_N.tolist() == list(range(COUNT - 2))
    assert float(found.similarity_N.min()) > 0.98
    assert float(found.similarity_N.min()) > float(new.similarity_N.max()) + 0.2


def test_an_image_that_is_moved_by_half_of_its_side_is_no_copy() -> None:
    assert float(likeness(rolled(product(1, 3), 0.5)).similarity_N.max()) < 0.8


@pytest.mark.parametrize("side_px", [64, 100, 128, 512])
def test_images_of_all_sizes_are_compared_at_one_size_in_grey(side_px: int) -> None:
    ramp = torch.linspace(0, 255, side_px).expand(3, side_px, side_px).to(torch.uint8)
    small = shrunk(ramp[None])
    assert small.shape == (1, SIDE_PX, SIDE_PX)
    torch.testing.assert_close(small, shrunk(ramp[None, :1]))
    assert float(small.mean()) == pytest.approx(127, abs=1)
