"""The spectrum of images shows blur, noise and lattices, whatever the size of the images."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from fabgan.components.measures import spoiling
from fabgan.model.measures.spectrum import OCTAVES, PERIODS_PX, colour_powers, lattice_powers, octave_powers

SIDES_PX = (64, 112, 116, 224)


def images(side_px: int, count: int = 8) -> Tensor:
    """Smooth random images under a little noise, uint8."""
    stream = torch.Generator().manual_seed(1)
    coarse = torch.randn(count, 3, side_px // 4, side_px // 4, generator=stream)
    smooth = functional.interpolate(coarse, size=(side_px, side_px), mode="bicubic")
    return spoiling.as_uint8(40 * smooth + 128 + 4 * torch.randn(count, 3, side_px, side_px, generator=stream))


def with_steps(x_NCHW: Tensor, period_px: int, height: float) -> Tensor:
    """Return images with rows and columns that are brighter for half of each period."""
    step = torch.where(torch.arange(x_NCHW.shape[-1]) % period_px < period_px // 2, height, -height)
    return spoiling.as_uint8(x_NCHW + step + step[:, None])


def octaves(x_NCHW: Tensor) -> Tensor:
    return octave_powers(x_NCHW).mean(dim=0)


def lattices(x_NCHW: Tensor) -> Tensor:
    return lattice_powers(x_NCHW).mean(dim=0)


@pytest.mark.parametrize("side_px", SIDES_PX)
def test_every_image_has_a_value_for_each_octave_and_each_period(side_px: int) -> None:
    x = images(side_px, count=3)
    assert octave_powers(x).shape == (3, OCTAVES)
    assert lattice_powers(x).shape == (3, len(PERIODS_PX))
    torch.testing.assert_close(octave_powers(x)[1:2], octave_powers(x[1:2]))
    torch.testing.assert_close(lattice_powers(x)[1:2], lattice_powers(x[1:2]))


@pytest.mark.parametrize("side_px", SIDES_PX)
def test_blur_lowers_the_finest_octave_the_more_the_wider_it_is_and_coarse_ones_least(side_px: int) -> None:
    x = images(side_px)
    blurred = torch.stack([octaves(x), *(octaves(spoiling.blurred(x, sigma_px)) for sigma_px in (0.5, 0.75, 1.0))])
    assert bool((blurred[:, 0].diff() < -0.5).all())
    losses = blurred[0] - blurred[-1]
    assert bool((losses.diff() < 0).all())


@pytest.mark.parametrize("side_px", SIDES_PX)
def test_noise_raises_the_finest_octave_the_more_the_stronger_it_is_and_coarse_ones_hardly(side_px: int) -> None:
    x = images(side_px)
    changes = torch.stack([octaves(spoiling.noisy(x, sigma)) - octaves(x) for sigma in (0, 2, 5, 10, 20)])
    assert bool((changes[:, 0].diff() > 0.25).all())
    assert float(changes[:, 2:].abs().max()) < 0.1


def test_twice_the_power_is_one_more() -> None:
    x = images(112)
    louder = (x.float() - 128) * 2**0.5 + 128
    torch.testing.assert_close(octaves(louder), octaves(x) + 1, rtol=0, atol=0.01)


def test_a_wave_counts_in_its_octave_alone() -> None:
    for octave, frequency in enumerate((0.4, 0.2, 0.1, 0.05)):
        wave = 100 * torch.sin(2 * torch.pi * frequency * torch.arange(128)).expand(1, 1, 128, 128) + 128
        for x in (wave, wave.transpose(-1, -2)):
            assert int(octave_powers(x).argmax()) == octave
            assert float(octave_powers(x).topk(2).values.diff()) < -5


@pytest.mark.parametrize("side_px", SIDES_PX)
@pytest.mark.parametrize("period_px", PERIODS_PX)
def test_a_lattice_raises_its_own_period_and_hardly_the_others(side_px: int, period_px: int) -> None:
    x = images(side_px)
    change = lattices(with_steps(x, period_px, 5)) - lattices(x)
    own = PERIODS_PX.index(period_px)
    assert float(change[own]) > 2
    assert float(change[[at for at in range(len(PERIODS_PX)) if at != own]].abs().max()) < 0.1


@pytest.mark.parametrize("period_px", PERIODS_PX)
def test_lines_raise_their_own_period_the_more_the_brighter_they_are_and_no_longer_one(period_px: int) -> None:
    """Lines that recur every 8 px have harmonics at 4 and 2 px, but those that recur every 2 px have none at 8."""
    x = images(112)
    heights = torch.stack([lattices(spoiling.with_lattice(x, height, period_px)) for height in (0, 5, 10, 20)])
    own = PERIODS_PX.index(period_px)
    assert bool((heights[:, own].diff() > 0.5).all())
    assert float((heights - heights[0])[:, own + 1 :].abs().sum()) < 0.1


def test_lattices_are_seen_across_and_down() -> None:
    x = images(112)
    line = (torch.arange(112) % 8 == 0) * 20.0
    across, down = (lattices(spoiling.as_uint8(x + lines)) - lattices(x) for lines in (line, line[:, None]))
    torch.testing.assert_close(across, down, rtol=0.3, atol=0.1)
    assert float(across[-1]) > 1


@pytest.mark.parametrize("side_px", SIDES_PX)
def test_images_without_a_lattice_have_the_power_of_their_surroundings(side_px: int) -> None:
    x = torch.randint(256, (64, 3, side_px, side_px), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    assert float(lattices(x).abs().max()) < 0.5


@pytest.mark.parametrize("side_px", SIDES_PX)
@pytest.mark.parametrize("brightness", [0, 128, 255])
def test_flat_images_give_finite_values(side_px: int, brightness: int) -> None:
    flat = torch.full((2, 3, side_px, side_px), brightness, dtype=torch.uint8)
    assert bool(octave_powers(flat).isfinite().all())
    assert bool((octave_powers(flat) < octave_powers(images(side_px, count=2))).all())
    assert torch.equal(lattice_powers(flat), torch.zeros(2, len(PERIODS_PX)))


def test_grey_images_have_the_spectrum_of_their_brightness() -> None:
    grey = images(112)[:, :1]
    colour = grey.expand(-1, 3, -1, -1)
    torch.testing.assert_close(octave_powers(colour), octave_powers(grey))
    torch.testing.assert_close(lattice_powers(colour), lattice_powers(grey), rtol=1e-3, atol=1e-3)


def test_faded_colours_have_less_power_in_every_octave() -> None:
    x = torch.randint(0, 256, (3, 3, 112, 112), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    faded = (x.float().mean(dim=1, keepdim=True) * 0.5 + x.float() * 0.5).round().to(torch.uint8)
    assert torch.allclose(colour_powers(x) - colour_powers(faded), torch.tensor(2.0), atol=0.1)


def test_coarse_colours_lack_the_finest_octave_most() -> None:
    x = torch.randint(0, 256, (3, 3, 112, 112), generator=torch.Generator().manual_seed(1), dtype=torch.uint8).float()
    grey = x.mean(dim=1, keepdim=True)
    coarse = torch.nn.functional.avg_pool2d(x - grey, 3, stride=1, padding=1)
    lost = (colour_powers(x - grey) - colour_powers(coarse)).view(3, 2, -1).mean(dim=(0, 1))
    assert lost[0] > 3
    assert lost[-1] < 0.5


def test_grey_images_have_no_colour() -> None:
    x = torch.randint(0, 256, (2, 1, 112, 112), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    assert torch.equal(colour_powers(x), colour_powers(x.expand(-1, 3, -1, -1)))
    assert colour_powers(x).max() < -15
