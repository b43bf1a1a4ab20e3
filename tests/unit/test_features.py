"""Images are looked at one after the other, and what is kept of them is what the measures need."""

import weakref
from collections.abc import Iterable, Iterator
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fabgan.components.core.errors import UserError
from fabgan.components.core.progress import Progress
from fabgan.components.measures.extractors import Extractor
from fabgan.components.measures.features import (
    BATCH,
    PATCHES,
    Features,
    extract,
    joined,
    patch_offsets,
    quarter_patches,
)
from fabgan.model.measures.spectrum import octave_powers
from fabgan.model.streams import random_stream

FILTERS = torch.randn(24, 3, 5, 5, generator=torch.Generator().manual_seed(1))
FILTERS -= FILTERS.mean(dim=(1, 2, 3), keepdim=True)


def random_means(x_BCHW: Tensor) -> Tensor:
    """Return the colour of images, and how much of them random filters find."""
    x_BCHW = x_BCHW.cpu().float() / 255
    found = functional.conv2d(x_BCHW, FILTERS, stride=2).abs().mean(dim=(2, 3))
    return 3 * torch.cat([x_BCHW.mean(dim=(2, 3)), found], dim=1)


EXTRACTOR = Extractor("random", "0" * 64, 64, random_means)


def images(count: int, side_px: int = 128, channels: int = 3) -> Tensor:
    stream = torch.Generator().manual_seed(1)
    return torch.randint(256, (count, channels, side_px, side_px), generator=stream, dtype=torch.uint8)


def extracted(x: Iterable[Tensor], stream: torch.Generator | None = None) -> Features:
    return extract(x, EXTRACTOR, stream or random_stream(1), Progress("test", 1000, "images"))


def assert_equal(a: Features, b: Features) -> None:
    for field in fields(Features):
        torch.testing.assert_close(getattr(a, field.name), getattr(b, field.name), rtol=1e-4, atol=1e-4)


def coordinates(side_px: int, count: int = 20) -> Tensor:
    """Return images of two channels: how far down and how far across each pixel lies."""
    at = torch.arange(side_px)
    return torch.stack([at[:, None].expand(side_px, side_px), at.expand(side_px, side_px)]).expand(count, -1, -1, -1)


def test_images_one_by_one_have_the_features_of_all_together() -> None:
    x, stream = images(BATCH + 3), random_stream(1)
    assert_equal(joined(extracted([x_CHW], stream) for x_CHW in x), extracted(x))


def drawn_patches(x_NCHW: Tensor, seed: int) -> Tensor:
    return quarter_patches(x_NCHW, patch_offsets(len(x_NCHW), x_NCHW.shape[-1], random_stream(seed)))


def test_features_are_those_of_the_image_at_their_place() -> None:
    x = images(6)
    found = extracted(x)
    assert len(found) == 6
    torch.testing.assert_close(found.whole_NF, EXTRACTOR.whole(x))
    patches = drawn_patches(x[:BATCH], 1)
    torch.testing.assert_close(found.patches_NPF[:BATCH, 2], EXTRACTOR.native(patches[:, 2]))
    of_patches = torch.stack([octave_powers(patches[:, at]) for at in range(PATCHES)]).mean(dim=0)
    torch.testing.assert_close(found.octaves_NO[:BATCH], of_patches)
    assert_equal(found.chosen(torch.tensor([4, 1])), joined([found.chosen(torch.arange(6) == at) for at in (4, 1)]))


def test_no_more_images_are_held_than_a_batch_for_each_thread_and_the_next_ones() -> None:
    held: weakref.WeakSet[Tensor] = weakref.WeakSet()
    most = 0

    def watched() -> Iterator[Tensor]:
        nonlocal most
        for x_CHW in images(12 * BATCH, 64):
            held.add(image := x_CHW.clone())
            most = max(most, len(held))
            yield image
            del image

    assert len(extracted(watched())) == 12 * BATCH
    assert BATCH <= most <= (torch.get_num_threads() + 3) * BATCH


@pytest.mark.parametrize(("side_px", "patch_px"), [(64, 64), (112, 112), (128, 112), (512, 112), (1024, 112)])
def test_patches_are_pieces_whose_middles_lie_in_their_quarters(side_px: int, patch_px: int) -> None:
    patches = drawn_patches(coordinates(side_px), 1)
    assert patches.shape == (20, PATCHES, 2, patch_px, patch_px)
    assert bool((patches[:, :, 0].diff(dim=-2) == 1).all())
    assert bool((patches[:, :, 1].diff(dim=-1) == 1).all())
    middles_NP2 = patches.float().mean(dim=(-2, -1))
    border = (side_px - 1) / 2
    for at, (lower, right) in enumerate([(False, False), (False, True), (True, False), (True, True)]):
        for middle, beyond in zip(middles_NP2[:, at].unbind(dim=1), (lower, right), strict=True):
            assert bool((middle >= border if beyond else middle <= border).all())


@pytest.mark.parametrize("side_px", [128, 129, 512])
def test_patches_reach_every_border_and_lie_in_other_places_in_each_image(side_px: int) -> None:
    patches = drawn_patches(coordinates(side_px, 400), 1)
    assert (int(patches.min()), int(patches.max())) == (0, side_px - 1)
    places = {tuple(place) for place in patches[:, 0, :, 0, 0].tolist()}
    assert len(places) > 40


def test_patches_are_drawn_by_the_stream_alone() -> None:
    x = coordinates(256, 4)
    assert torch.equal(drawn_patches(x, 1), drawn_patches(x, 1))
    assert not torch.equal(drawn_patches(x, 1), drawn_patches(x, 2))


def test_images_too_small_for_seams_are_refused() -> None:
    with pytest.raises(UserError, match="seams cannot be measured: regions of 16 px are too small"):
        extracted(images(2, 32))


def test_grey_images_have_the_features_of_grey_ones_in_colour() -> None:
    grey = images(3, channels=1)
    found, expected = extracted(grey), extracted(grey.expand(-1, 3, -1, -1))
    assert_equal(replace(found, texture_NPCRR=found.texture_NPCRR.expand(-1, -1, 3, -1, -1)), expected)
