import hashlib

import pytest
import torch

from benchmarks.random_features import (
    RandomFeatures,
    mean_pairwise_distance,
    nearest_distance,
    random_features,
    random_patches,
    seam_interval,
)
from fabgan.model.measures.distances import frechet_distance
from fabgan.model.measures.seams import SeamVisibility, border_differences, seam_visibility


def noise(seed: int, count: int = 64, size_px: int = 64) -> torch.Tensor:
    """Smooth random images, uint8."""
    stream = torch.Generator().manual_seed(seed)
    coarse = torch.rand(count, 3, size_px // 4, size_px // 4, generator=stream)
    smooth = torch.nn.functional.interpolate(coarse, size=(size_px, size_px), mode="bicubic", align_corners=False)
    return smooth.mul(255).clamp(0, 255).to(torch.uint8)


def seams(generated: torch.Tensor, real: torch.Tensor) -> SeamVisibility:
    return seam_visibility(border_differences(generated, grid=2), border_differences(real, grid=2))


def interval(real: torch.Tensor) -> tuple[float, float]:
    return seam_interval(border_differences(real, grid=2), torch.Generator().manual_seed(1))


def test_distance_of_a_set_to_itself_is_nothing() -> None:
    features = torch.randn(200, 6, dtype=torch.float64)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-9)


def test_distance_of_a_shifted_set_is_the_square_of_the_shift() -> None:
    features = torch.randn(200, 3, dtype=torch.float64)
    assert frechet_distance(features, features + torch.tensor([3.0, 0.0, 4.0])) == pytest.approx(25)


def test_distance_of_scaled_gaussians_is_its_closed_form() -> None:
    features = torch.randn(500, 4, dtype=torch.float64)
    features -= features.mean(dim=0)
    expected = float(torch.cov(features.T).trace()) * (3 - 1) ** 2
    assert frechet_distance(features, 3 * features) == pytest.approx(expected)


def test_distance_is_symmetric() -> None:
    a, b = torch.randn(100, 5, dtype=torch.float64), torch.randn(80, 5, dtype=torch.float64) * 2
    assert frechet_distance(a, b) == pytest.approx(frechet_distance(b, a))


def test_one_sample_has_no_covariance() -> None:
    with pytest.raises(ValueError, match="at least two"):
        frechet_distance(torch.zeros(1, 3), torch.zeros(5, 3))


def test_random_network_is_pinned() -> None:
    """Another network would make every published frechet_random incomparable."""
    weights = b"".join(weight.numpy().tobytes() for weight in RandomFeatures(3).weights)
    assert hashlib.sha256(weights).hexdigest() == "67e1d64148c09eca5d55b7e267cced1769cc5a822dc388ba6ec0cb5e0ec12e32"


def test_features_do_not_depend_on_the_batch() -> None:
    x = noise(0, count=10)
    one_by_one = torch.cat([random_features(x_1CHW) for x_1CHW in torch.split(x, 1)])
    torch.testing.assert_close(one_by_one, random_features(x))


def test_features_tell_blurred_images_from_sharp_ones() -> None:
    a, b = noise(1), noise(2)
    blurred = torch.nn.functional.avg_pool2d(b.float(), 5, 1, 2).to(torch.uint8)
    floor = frechet_distance(random_features(a), random_features(b))
    assert frechet_distance(random_features(a), random_features(blurred)) > 10 * floor


def test_images_like_the_real_ones_show_no_seam() -> None:
    found = seams(noise(1, 256), noise(2, 256))
    assert found.ser1 == pytest.approx(1, abs=0.1)
    assert found.ser2 == pytest.approx(1, abs=0.1)


def test_a_brighter_half_is_a_seam() -> None:
    x = noise(1, 256)
    x[..., 32:] = (x[..., 32:].float() * 0.8).to(torch.uint8)
    found = seams(x, noise(2, 256))
    assert found.ser1 > 1.15
    assert found.ser2 > 2


def test_a_doubled_column_is_a_seam_below_one() -> None:
    x = noise(1, 256)
    x[..., 32] = x[..., 31]
    x[..., 32, :] = x[..., 31, :]
    assert seams(x, noise(2, 256)).ser1 == pytest.approx(0, abs=1e-6)


def test_regions_too_small_for_the_offsets_are_refused() -> None:
    with pytest.raises(ValueError, match="too small"):
        border_differences(noise(1, 2, 32), grid=2)


def test_flat_generated_images_have_no_steps_and_flat_real_ones_are_no_measure() -> None:
    flat = torch.full((4, 3, 64, 64), 128, dtype=torch.uint8)
    found = seams(flat, noise(2))
    assert (found.ser1, found.ser2) == (0, 0)
    with pytest.raises(ValueError, match="no structure"):
        seams(noise(1), flat)


def test_interval_of_real_images_holds_real_images_and_no_seam() -> None:
    low, high = interval(noise(1, 256))
    assert 0.8 < low < 1 < high < 1.2
    found = seams(noise(3, 256), noise(1, 256))
    assert low - 0.01 <= found.ser1 <= high + 0.01
    x = noise(3, 256)
    x[..., 32:] = (x[..., 32:].float() * 0.8).to(torch.uint8)
    assert seams(x, noise(1, 256)).ser1 > high


def test_interval_is_narrower_for_more_images() -> None:
    def width(count: int) -> float:
        low, high = interval(noise(1, count))
        return high - low

    assert width(256) < 0.7 * width(32)


def test_pairwise_distance_of_a_triangle_is_the_mean_of_its_sides() -> None:
    triangle = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 4.0]])
    assert mean_pairwise_distance(triangle) == pytest.approx(4)


def test_nearest_distance_of_two_pairs_is_that_within_the_pairs() -> None:
    samples = torch.tensor([[0.0, 0.0], [3.0, 4.0], [100.0, 0.0], [100.0, 1.0]])
    assert nearest_distance(samples) == pytest.approx((5 + 5 + 1 + 1) / 4)


def test_nearest_distance_to_others_is_that_to_the_nearest_of_them() -> None:
    samples, others = torch.tensor([[0.0, 0.0], [10.0, 0.0]]), torch.tensor([[3.0, 4.0], [10.0, 1.0], [50.0, 50.0]])
    assert nearest_distance(samples, others) == pytest.approx((5 + 1) / 2)


def test_equal_samples_are_at_no_distance_however_many_and_large() -> None:
    samples = torch.full((100, 3072), 200.0) + torch.rand(3072, generator=torch.Generator().manual_seed(1))
    assert nearest_distance(samples) == nearest_distance(samples, samples) == 0


def test_patches_are_pieces_of_their_images() -> None:
    x = torch.arange(2 * 16 * 16, dtype=torch.int32).reshape(2, 1, 16, 16)
    patches = random_patches(x, side_px=4, per_image=3, stream=torch.Generator().manual_seed(1))
    assert patches.shape == (6, 1, 4, 4)
    assert [int(patch.min()) // 256 for patch in patches] == [0, 0, 0, 1, 1, 1]
    assert torch.equal(patches[0, 0, 1:] - patches[0, 0, :-1], torch.full((3, 4), 16, dtype=torch.int32))
    assert torch.equal(patches[0, 0, :, 1:] - patches[0, 0, :, :-1], torch.ones((4, 3), dtype=torch.int32))
