"""The seamless model: tiles join, region-wise gradients are the joint ones, and every draw comes from the stream."""

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from model.augment import draw_augmentation
from model.seamless import SeamlessConfig, SeamlessGenerator
from model.seamless_judges import FullJudge, RegionJudge, Window, draw_windows
from model.seamless_training import SeamlessRecipe, SeamlessTraining
from model.streams import random_stream
from model.training import StepKind

CONFIG = SeamlessConfig(
    image_size_px=64,
    channels=3,
    latent_size=8,
    generator_width=4,
    discriminator_width=4,
    full_discriminator_width=2,
    feature_cap=8,
)


@pytest.fixture
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def generator(seed: int = 0) -> SeamlessGenerator:
    torch.manual_seed(seed)
    return SeamlessGenerator(CONFIG).eval()


def latents(batch: int = 3) -> Tensor:
    return torch.randn(batch, CONFIG.latent_size, generator=random_stream("latents"))


def photographs(batch: int = 4) -> Tensor:
    return torch.rand(batch, 3, 64, 64, generator=random_stream("photographs")) * 2 - 1


def training(step_kind: StepKind = "region_wise", **options: int) -> SeamlessTraining:
    return SeamlessTraining(CONFIG, SeamlessRecipe(slope_every_steps=2), seed=3, step_kind=step_kind, **options)


def weights(trained: SeamlessTraining) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": weight.detach().clone()
        for name, network in trained.networks.items()
        for key, weight in network.named_parameters()
    }


def gradients(trained: SeamlessTraining) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": weight.grad
        for name in ("G", "D", "FD")
        for key, weight in trained.networks[name].named_parameters()
        if weight.grad is not None
    }


@pytest.mark.parametrize("grid", [2, 4, 8])
def test_tiles_of_any_grid_join_to_the_whole_image(grid: int) -> None:
    made = generator()
    with torch.no_grad():
        whole, tiled = made.full_image(latents()), made.full_image(latents(), grid)
    assert whole.shape == (3, 3, 64, 64)
    assert whole.std() > 0.01
    assert (whole - tiled).abs().max() <= 1e-5


def test_tiles_of_a_larger_image_join_too() -> None:
    torch.manual_seed(0)
    made = SeamlessGenerator(SeamlessConfig(256, 1, 8, 2, 2, 2, 8)).eval()
    with torch.no_grad():
        assert (made.full_image(latents(1)) - made.full_image(latents(1), 8)).abs().max() <= 1e-5


def test_same_latent_gives_the_same_image_whatever_else_is_in_the_batch() -> None:
    made = generator()
    with torch.no_grad():
        assert (made.full_image(latents())[1:2] - made.full_image(latents()[1:2])).abs().max() <= 1e-5


def test_region_wise_gradients_are_the_joint_ones(float64: None) -> None:
    found = {}
    kinds: tuple[StepKind, ...] = ("joint", "region_wise")
    for kind in kinds:
        trained = training(kind, grid=2, images_at_once=1)
        trained.step(photographs(), 2, random_stream("step"))
        found[kind] = gradients(trained)
    assert found["joint"].keys() == {key for key in weights(trained) if not key.startswith("EMA")}
    for key, joint in found["joint"].items():
        assert (found["region_wise"][key] - joint).abs().max() <= 1e-8 * joint.abs().max() + 1e-14, key


@pytest.mark.parametrize("index", [1, 2])
def test_a_step_changes_every_weight(index: int) -> None:
    trained = training(images_at_once=2)
    before = weights(trained)
    losses = trained.step(photographs(), index, random_stream("step"))
    assert losses.keys() == {"G", "D", "FD"}
    unchanged = [name for name, weight in weights(trained).items() if torch.equal(weight, before[name])]
    assert unchanged == []


def test_a_step_depends_on_its_stream_alone_and_leaves_the_global_one() -> None:
    runs = []
    for seed in range(2):
        trained = training(grid=2, images_at_once=3)
        torch.manual_seed(seed)
        state = torch.random.get_rng_state()
        trained.step(photographs(), 2, random_stream("step"))
        assert torch.equal(torch.random.get_rng_state(), state)
        runs.append(weights(trained))
    assert all(torch.equal(weight, runs[1][name]) for name, weight in runs[0].items())


def test_judges_stay_out_of_the_generators_update() -> None:
    trained = training()
    trained.step(photographs(), 1, random_stream("step"))
    assert all(weight.requires_grad for weight in trained.networks["D"].parameters())
    assert not any(weight.requires_grad for weight in trained.generator.parameters())


def test_where_a_window_lies_changes_the_verdict() -> None:
    torch.manual_seed(0)
    judge = RegionJudge(CONFIG)
    window = photographs()[..., :32, :32]
    assert not torch.allclose(judge(window, Window(0, 0)), judge(window, Window(16, 32)))


def test_full_judge_compares_the_images_of_a_batch() -> None:
    torch.manual_seed(0)
    judge = FullJudge(CONFIG)
    assert not torch.allclose(judge(photographs())[0], judge(photographs()[:1].expand(4, -1, -1, -1))[0])


def test_windows_are_a_region_and_one_across_a_border() -> None:
    for place in range(50):
        region, straddling = draw_windows(64, random_stream("windows", place))
        assert set(region) <= {0, 32}
        assert any(0 < start_px < 32 for start_px in straddling)
        assert all(0 <= start_px <= 32 for start_px in straddling)
        assert straddling.of(photographs()).shape == (4, 3, 32, 32)


def test_augmentation_treats_real_and_generated_images_alike() -> None:
    augmentation = draw_augmentation(4, 64, random_stream("augment"))
    seen = augmentation(photographs())
    assert torch.equal(seen, augmentation(photographs().clone()))
    assert torch.equal(seen[1:3], augmentation[1:3](photographs()[1:3]))
    assert (seen - photographs()).abs().mean() > 0.05


def test_gradient_flows_through_augmentation_to_what_is_seen() -> None:
    x = photographs().requires_grad_()
    drawn = draw_augmentation(4, 64, random_stream("augment"))
    drawn.contrast_B.fill_(1)
    (gradient,) = torch.autograd.grad(drawn(x).square().sum(), x)
    reached = (gradient.abs().sum(dim=1) > 0).float().mean()
    assert 0.4 < reached < 0.98, "all but what the hole covers and the shift moves out"


def test_augmentation_can_leave_an_image_as_it_is() -> None:
    drawn = draw_augmentation(1, 64, random_stream("augment"))
    drawn.brightness_B.zero_()
    drawn.saturation_B.fill_(1)
    drawn.contrast_B.fill_(1)
    drawn.shift_B2.zero_()
    drawn.hole_B2.fill_(-1000)
    assert (drawn(photographs(1)) - photographs(1)).abs().max() < 1e-6


@pytest.mark.parametrize(("field", "value"), [("image_size_px", 96), ("image_size_px", 32), ("image_size_px", 8192)])
def test_impossible_sizes_are_refused(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=field):
        SeamlessConfig(**{**vars(CONFIG), field: value})


@pytest.mark.parametrize(("field", "value"), [("channels", 2), ("latent_size", 0), ("feature_cap", 1)])
def test_impossible_shapes_are_refused(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=field):
        SeamlessConfig(**{**vars(CONFIG), field: value})


@pytest.mark.parametrize("grid", [0, 3, 32])
def test_impossible_grids_are_refused(grid: int) -> None:
    with pytest.raises(ValueError, match="grid"):
        generator().full_image(latents(), grid)


def test_tiles_outside_the_grid_are_refused() -> None:
    made = generator()
    with pytest.raises(ValueError, match=r"tile \(0, 2\)"):
        made.tile(made.trunk(latents()), 0, 2, 2)


def test_networks_for_1024_px_have_at_most_eight_million_parameters() -> None:
    config = SeamlessConfig(1024, 3, 64, 8, 16, 8, 128)
    with torch.device("meta"):
        networks = SeamlessGenerator(config), RegionJudge(config), FullJudge(config)
    assert sum(weight.numel() for network in networks for weight in network.parameters()) <= 8_000_000
