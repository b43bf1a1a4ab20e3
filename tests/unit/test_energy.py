import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from model.energy import CELL_PX, SMOOTH, energy_distance, image_energy, roughness, shrunk


def test_equals_its_closed_form_on_hand_made_samples() -> None:
    a, b = torch.tensor([[0.0], [2.0]]), torch.tensor([[1.0], [5.0]])
    across = (1 + 5 + 1 + 3) / 4
    assert energy_distance(a, b) == pytest.approx(2 * across - 2 - 4)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000))
def test_is_without_bias_between_samples_of_one_distribution(seed: int) -> None:
    """A mean over many small batches is nothing: G is not drawn towards less variety than there is."""
    stream = torch.Generator().manual_seed(seed)
    distances = [energy_distance(*torch.randn(2, 4, 3, generator=stream)) for _ in range(500)]
    assert abs(float(torch.stack(distances).mean())) < 0.1


def test_tells_shifted_and_narrow_distributions_from_real_ones() -> None:
    stream = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 500, 3, generator=stream)
    same = float(energy_distance(a, b))
    assert float(energy_distance(a + 1, b)) > same + 0.3
    assert float(energy_distance(a * 0.3, b)) > same + 0.2


def test_one_sample_has_no_distance() -> None:
    with pytest.raises(ValueError, match="at least two"):
        energy_distance(torch.zeros(1, 3), torch.zeros(4, 3))


def test_large_images_are_averaged_and_small_ones_kept() -> None:
    x = torch.rand(2, 3, 512, 512)
    assert shrunk(x, 128).shape == (2, 3, 128, 128)
    assert shrunk(x, 128)[0, 0, 0, 0] == pytest.approx(float(x[0, 0, :4, :4].mean()))
    assert torch.equal(shrunk(x, 512), x)


def test_roughness_is_the_log_of_the_mean_step_of_each_cell_and_direction() -> None:
    x = torch.zeros(1, 1, 2 * CELL_PX, 2 * CELL_PX)
    x[..., :CELL_PX, 1:CELL_PX:2] = 0.5  # stripes in the first cell: a step of 0.5 after each pixel
    rough = roughness(x)
    assert rough.shape == (1, 2, 2, 2)
    assert float(rough[0, 0, 0, 0]) == pytest.approx(math.log(0.5 + SMOOTH))
    assert rough[0, 0, 0, 1] == rough[0, 0, 1, 0] == pytest.approx(math.log(SMOOTH))
    assert float(rough[0, 1, 0, 0]) == pytest.approx(math.log(0.5 / 16 + SMOOTH))  # half the columns end once, below


def test_faint_noise_on_flat_ground_is_seen_though_distances_of_pixels_hardly_see_it() -> None:
    stream = torch.Generator().manual_seed(0)
    real, fake = torch.rand(2, 64, 1, 1, 1, generator=stream).expand(-1, -1, -1, 32, 32)
    noisy = fake + 0.1 * torch.randn(fake.shape, generator=stream)
    distances = [energy_distance(x.flatten(1) / 32, real.flatten(1) / 32) for x in (fake, noisy)]
    energies = [image_energy(x, real, torch.zeros(64, dtype=torch.int64), 1) for x in (fake, noisy)]
    assert float(energies[1] - energies[0]) > 20 * float(distances[1] - distances[0]) > 0


def test_images_under_each_others_kinds_are_far_apart() -> None:
    dark, bright = torch.full((2, 3, 16, 16), -1.0), torch.full((2, 3, 16, 16), 1.0)
    x, kinds, one_kind = torch.cat([dark, bright]), torch.tensor([0, 0, 1, 1]), torch.tensor([0, 0, 0, 0])
    right = image_energy(x, x, kinds, 2)
    swapped = image_energy(x.flip(0), x, kinds, 2)
    assert float(swapped - right) > 1
    of_one_kind = [image_energy(of_x, x, one_kind, 1) for of_x in (x.flip(0), x)]
    assert math.isclose(*map(float, of_one_kind), abs_tol=1e-6)
