import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from fabgan.model.seamless.energy import CELL_PX, SMOOTH, energy_score, image_energy, roughness

CELL = (CELL_PX, CELL_PX)


def of_cells(*values: float) -> Tensor:
    """Return one grey image of such cells, side by side, each of one value."""
    return torch.tensor(values).repeat_interleave(CELL_PX).expand(1, 1, CELL_PX, -1)


def test_equals_its_closed_form_on_hand_made_cells() -> None:
    score = energy_score(of_cells(0.0, 1.0), of_cells(0.5, 1.0), of_cells(0.25, -1.0), CELL)
    assert float(score) == pytest.approx(((0.25 + 0.25 - 0.5) + (2 + 2 - 0)) / 2, abs=2e-4)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 1000))
def test_is_least_where_images_differ_as_real_ones_do(seed: int) -> None:
    """Not in the middle of the real ones, which is where a distance to them alone would draw all images."""
    stream = torch.Generator().manual_seed(seed)
    y, second, x = torch.randn(3, 2000, 1, CELL_PX, CELL_PX, generator=stream)
    least = float(energy_score(y, second, x, CELL))
    for spread, shift in ((0.0, 0.0), (0.6, 0.0), (1.5, 0.0), (1.0, 0.3)):
        assert float(energy_score(spread * y + shift, spread * second + shift, x, CELL)) > least + 0.01


def test_sees_where_images_differ_and_not_only_how_much() -> None:
    stream = torch.Generator().manual_seed(0)
    varied, still = torch.randn(3, 500, 1, CELL_PX, CELL_PX, generator=stream), torch.zeros(3, 500, 1, CELL_PX, CELL_PX)
    y, second, x = torch.cat([varied, still], dim=-1)
    wrong, wrong_second, _ = torch.cat([still, varied], dim=-1)
    assert float(energy_score(wrong, wrong_second, x, CELL)) > float(energy_score(y, second, x, CELL)) + 0.1


def test_equal_images_have_a_gradient() -> None:
    """Saturated, an image and its second sample may be equal; the root's slope there must not be infinite."""
    y = torch.zeros(2, 3, 64, 64, requires_grad=True)
    image_energy(y, y, torch.zeros(2, 3, 64, 64)).backward()  # type: ignore[no-untyped-call]
    assert y.grad is not None
    assert bool(y.grad.isfinite().all())


def test_roughness_is_the_log_of_each_step_over_the_rows_of_a_cell() -> None:
    x = torch.zeros(1, 1, 2 * CELL_PX, 2 * CELL_PX)
    x[..., :2, 1:] = 0.5  # two rows of the upper cells step once, after the first pixel
    rough = roughness(x)
    assert rough.shape == (1, 1, 2, 2 * CELL_PX)
    assert float(rough[0, 0, 0, 0]) == pytest.approx(math.log(0.5 * 2 / CELL_PX + SMOOTH))
    torch.testing.assert_close(rough[0, 0, 0, 1:], torch.full((2 * CELL_PX - 1,), math.log(SMOOTH)))
    torch.testing.assert_close(rough[0, 0, 1], torch.full((2 * CELL_PX,), math.log(SMOOTH)))


def test_faint_noise_on_flat_ground_is_seen_though_distances_of_pixels_hardly_see_it() -> None:
    stream = torch.Generator().manual_seed(0)
    fake, second, real = torch.rand(3, 64, 1, 1, 1, generator=stream).expand(-1, -1, -1, 32, 32)
    noisy, noisy_second = (x + 0.1 * torch.randn(x.shape, generator=stream) for x in (fake, second))
    of_pixels = [energy_score(*pair, real, CELL) for pair in ((fake, second), (noisy, noisy_second))]
    of_images = [image_energy(*pair, real) for pair in ((fake, second), (noisy, noisy_second))]
    assert float(of_images[1] - of_images[0]) > 20 * float(of_pixels[1] - of_pixels[0]) > 0


def test_roughness_of_the_last_columns_counts_as_that_of_the_first() -> None:
    """Steps of 128 pixels are 127: without the last pixel's, the last strip would be left out of the score."""
    first = torch.zeros(1, 1, 128, 128)
    first[..., 0] = 1.0
    of_edges = [score_of_strips(edge, torch.zeros_like(edge)) for edge in (first, first.flip(-1))]
    assert of_edges[0] > 0
    assert of_edges[1] == pytest.approx(of_edges[0])


def score_of_strips(y: Tensor, x: Tensor) -> float:
    return float(energy_score(roughness(y), roughness(y), roughness(x), (1, CELL_PX)))


def test_on_average_the_gradient_through_the_images_alone_is_half_of_the_whole() -> None:
    stream = torch.Generator().manual_seed(0)
    spread = torch.tensor(0.6, requires_grad=True)
    y, second, x = torch.randn(3, 5000, 1, CELL_PX, CELL_PX, generator=stream)
    (whole,) = torch.autograd.grad(energy_score(spread * y, spread * second, x, CELL), spread)
    (half,) = torch.autograd.grad(energy_score(spread * y, (spread * second).detach(), x, CELL), spread)
    assert float(whole) < -0.1
    assert float(half) == pytest.approx(float(whole) / 2, rel=0.02)


@pytest.mark.parametrize("way", ["across", "down"])
def test_steps_in_the_wrong_place_are_seen_both_ways(way: str) -> None:
    x = torch.zeros(2, 1, 64, 64)
    x[..., 32:] = 1.0
    moved = x.roll(1, dims=-1)
    moved[..., 0] = 0.0
    if way == "down":
        x, moved = x.mT, moved.mT
    right, wrong = (float(image_energy(y, y, x)) for y in (x, moved))
    pixels = float(energy_score(moved, moved, x, CELL))
    assert wrong - right > 3 * pixels
