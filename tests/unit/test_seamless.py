"""The seamless model: tiles join, region-wise gradients are the joint ones, and every draw comes from the stream."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor
from torch.nn.functional import softplus

from fabgan.model.optimization import GradientMode
from fabgan.model.regions import Window
from fabgan.model.seamless.config import SeamlessConfig
from fabgan.model.seamless.discriminators import (
    DISCRIMINATOR_CELLS,
    Head,
    RegionDiscriminator,
    draw_windows,
)
from fabgan.model.seamless.generator import SeamlessGenerator
from fabgan.model.seamless.layers import NOISES, CellNoise
from fabgan.model.seamless.recipe import SeamlessRecipe
from fabgan.model.seamless.training import SeamlessTraining
from fabgan.model.streams import random_stream

CONFIG = SeamlessConfig(
    image_size_px=256,
    channels=3,
    latent_size=8,
    generator_width=2,
    discriminator_width=2,
    full_discriminator_width=2,
    feature_cap=8,
)
LABELLED = replace(CONFIG, kinds=4, classes=3)
RECIPE = SeamlessRecipe(total_steps=10, r1_interval=2)


@pytest.fixture
def float64() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


def generator(config: SeamlessConfig = CONFIG) -> SeamlessGenerator:
    torch.manual_seed(0)
    return SeamlessGenerator(config).eval()


def latents(batch: int = 3) -> Tensor:
    return torch.randn(batch, CONFIG.latent_size, generator=random_stream("latents"))


def photographs(batch: int = 4) -> Tensor:
    shape = (batch, 3, CONFIG.image_size_px, CONFIG.image_size_px)
    return torch.randint(256, shape, generator=random_stream("photographs"), dtype=torch.uint8)


def kinds_of(config: SeamlessConfig) -> Tensor:
    return torch.tensor([0, 1, 3, 1]) % config.kinds


def training(
    gradient_mode: GradientMode = "region_wise", images_at_once: int = 1, config: SeamlessConfig = CONFIG
) -> SeamlessTraining:
    return SeamlessTraining(config, RECIPE, 3, gradient_mode, images_at_once)


def weights(trained: SeamlessTraining) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": weight.detach().clone()
        for name, network in trained.networks.items()
        for key, weight in network.named_parameters()
    }


def gradients_of_each_update(trained: SeamlessTraining) -> dict[str, Tensor]:
    """Fill the returned dict with the gradients that the optimizers are given."""
    seen: dict[str, Tensor] = {}

    def look(name: str) -> Callable[..., None]:
        def keep(*_: object) -> None:
            for key, weight in trained.networks[name].named_parameters():
                assert weight.grad is not None, key
                seen[f"{name}.{key}"] = weight.grad.clone()

        return keep

    for name, optimizer in trained.optimizers.items():
        optimizer.register_step_pre_hook(look(name))
    return seen


def test_noise_of_two_cells_differs_as_two_random_numbers_do() -> None:
    torch.manual_seed(0)
    noise = CellNoise(features=1, cells=4, latent_size=64)
    with torch.no_grad():
        noise.strength.weight.fill_(1 / NOISES**0.5)
        made_BN = noise(torch.zeros(4000, 1, 4, 4), torch.randn(4000, 64, generator=random_stream("z"))).flatten(1)
    torch.testing.assert_close(made_BN.mean(dim=0), torch.zeros(16), atol=0.1, rtol=0)
    torch.testing.assert_close(made_BN.T.cov(), torch.eye(16), atol=0.1, rtol=0)


def test_noise_is_the_same_in_bfloat16_but_for_its_own_rounding() -> None:
    """Rounded phases would be off by eight times as much."""
    torch.manual_seed(0)
    noise, z = CellNoise(features=1, cells=16, latent_size=64), torch.randn(8, 64)
    with torch.no_grad():
        exact = noise(torch.zeros(8, 1, 16, 16), z)
        with torch.autocast("cpu", torch.bfloat16):
            rough = noise(torch.zeros(8, 1, 16, 16), z)
    assert (rough - exact).square().mean().sqrt() < 0.005 * exact.std()


@pytest.mark.parametrize("grid", [1, 2, 4, 8])
@pytest.mark.parametrize(("size_px", "channels"), [(64, 3), (128, 3), (512, 1)])
def test_tiles_of_any_grid_join_to_the_whole_image(size_px: int, channels: int, grid: int) -> None:
    made = generator(replace(CONFIG, image_size_px=size_px, channels=channels))
    with torch.no_grad():
        trunk = made.trunk(latents())
        whole, tiled = made.render(trunk), made.render(trunk, grid)
    assert whole.shape == (3, channels, size_px, size_px)
    assert whole.std() > 0.01
    assert (whole - tiled).abs().max() <= 1e-5


def test_same_latent_gives_the_same_image_whatever_else_is_in_the_batch() -> None:
    made = generator()
    with torch.no_grad():
        assert (made.full_image(latents())[1:2] - made.full_image(latents()[1:2])).abs().max() <= 1e-5


@pytest.mark.parametrize("config", [CONFIG, LABELLED], ids=["one kind", "kinds of classes"])
@pytest.mark.parametrize("index", [1, 2])
@pytest.mark.parametrize("images_at_once", [1, 3])
def test_region_wise_gradients_are_the_joint_ones(
    float64: None, config: SeamlessConfig, index: int, images_at_once: int
) -> None:
    joint = training("joint", config=config)
    region_wise = training("region_wise", images_at_once, config)
    expected, seen = gradients_of_each_update(joint), gradients_of_each_update(region_wise)
    losses = [
        trained.step(photographs(), index, random_stream("step"), kinds_of(config)) for trained in (joint, region_wise)
    ]
    torch.testing.assert_close(losses[1], losses[0])
    assert seen.keys() == expected.keys() == {key for key in weights(joint) if not key.startswith("EMA")}
    for key, gradient in expected.items():
        assert gradient.norm() > 0, key
        assert (seen[key] - gradient).norm() <= 1e-9 * gradient.norm(), key


@pytest.mark.parametrize("images_at_once", [1, 4])
@pytest.mark.parametrize("index", [1, 2])
def test_a_step_changes_every_weight(index: int, images_at_once: int) -> None:
    trained = training(images_at_once=images_at_once)
    before = weights(trained)
    losses = trained.step(photographs(), index, random_stream("step"))
    assert losses.keys() == {"G", "D", "FD", "energy"}
    unchanged = [name for name, weight in weights(trained).items() if torch.equal(weight, before[name])]
    assert unchanged == []


def test_a_step_depends_on_its_stream_alone_and_leaves_the_global_one() -> None:
    runs = []
    for seed in range(2):
        trained = training(images_at_once=3)
        torch.manual_seed(seed)
        state = torch.random.get_rng_state()
        trained.step(photographs(), 2, random_stream("step"))
        assert torch.equal(torch.random.get_rng_state(), state)
        runs.append(weights(trained))
    assert all(torch.equal(weight, runs[1][name]) for name, weight in runs[0].items())


def test_running_statistics_move_once_with_images_and_once_with_second_samples() -> None:
    joint, region_wise = training("joint"), training("region_wise")
    for trained in (joint, region_wise):
        trained.step(photographs(), 1, random_stream("step"))
        assert int(dict(trained.trained.named_buffers())["normalise.num_batches_tracked"]) == 2
    torch.testing.assert_close(dict(region_wise.trained.named_buffers()), dict(joint.trained.named_buffers()))


def test_learning_rates_stay_and_then_fall_to_the_last() -> None:
    assert RECIPE.rate(1) == RECIPE.rate(6) == 1
    assert RECIPE.rate(8) == pytest.approx((1 + RECIPE.final_lr_fraction) / 2)
    assert RECIPE.rate(10) == RECIPE.rate(11) == pytest.approx(RECIPE.final_lr_fraction)
    trained = training()
    trained.step(photographs(), 8, random_stream("step"))
    assert trained.optimizers["G"].param_groups[0]["lr"] == pytest.approx(RECIPE.rate(8) * RECIPE.learning_rate)


def test_discriminators_stay_out_of_the_generators_update() -> None:
    trained = training()
    trained.step(photographs(), 1, random_stream("step"))
    assert all(weight.requires_grad for weight in trained.networks["D"].parameters())
    assert not any(weight.requires_grad for weight in trained.generator.parameters())


def test_bfloat16_step_is_close_to_the_float32_one() -> None:
    precise = training("joint").step(photographs(), 1, random_stream("step"))
    rough = SeamlessTraining(CONFIG, RECIPE, 3, "joint", bfloat16=True).step(photographs(), 1, random_stream("step"))
    assert any(not torch.equal(rough[name], precise[name]) for name in precise)
    for name, loss in precise.items():
        assert rough[name] == pytest.approx(float(loss), rel=0.02, abs=0.02), name


def test_logits_have_all_digits_in_bfloat16() -> None:
    head, x_BFHW = Head(8, classes=2), torch.randn(32, 8, DISCRIMINATOR_CELLS, DISCRIMINATOR_CELLS).bfloat16()
    labels_B = torch.arange(32) % 2
    with torch.autocast("cpu", torch.bfloat16):
        logits_B = head(x_BFHW, labels_B)
    torch.testing.assert_close(logits_B, head(x_BFHW.float(), labels_B), rtol=0, atol=0)


def test_where_a_window_is_said_to_lie_changes_the_verdict_after_training() -> None:
    """Real windows are bright at the top left and dark at the bottom right, generated ones the other way round."""
    torch.manual_seed(0)
    discriminator = RegionDiscriminator(replace(CONFIG, image_size_px=128))
    optimizer = RECIPE.adam(discriminator, 2e-3)
    bright, dark = torch.ones(4, 3, 64, 64), -torch.ones(4, 3, 64, 64)
    here, there = Window(0, 0, 64), Window(64, 64, 64)
    for _ in range(50):
        loss = softplus(discriminator(dark, here) - discriminator(bright, here)) + softplus(
            discriminator(bright, there) - discriminator(dark, there)
        )
        optimizer.zero_grad()
        loss.mean().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    with torch.no_grad():
        assert (discriminator(bright, here) > discriminator(bright, there) + 0.5).all()
        assert (discriminator(dark, there) > discriminator(dark, here) + 0.5).all()


@pytest.mark.parametrize(("size_px", "side_px", "cell_px"), [(128, 64, 2), (1024, 128, 16)])
def test_windows_are_a_region_and_one_anywhere(size_px: int, side_px: int, cell_px: int) -> None:
    drawn = [draw_windows(replace(CONFIG, image_size_px=size_px), random_stream("windows", i)) for i in range(200)]
    regions, anywhere = zip(*drawn, strict=True)
    assert {start_px for window in regions for start_px in window[:2]} == set(range(0, size_px, side_px))
    assert {start_px % side_px for window in anywhere for start_px in window[:2]} == set(range(0, side_px, cell_px))
    assert all(
        window.side_px == side_px and min(window[:2]) >= 0 and max(window[:2]) <= size_px - side_px
        for window in regions + anywhere
    )


@pytest.mark.parametrize("size_px", [128, 512])
@pytest.mark.parametrize("place", [(0, 0), (1, 3), (31, 32)])
def test_a_window_shows_what_the_whole_image_shows_there(size_px: int, place: tuple[int, int]) -> None:
    made = generator(replace(CONFIG, image_size_px=size_px))
    cell_px = size_px // made.config.trunk_cells
    window = Window(place[0] * cell_px, place[1] * cell_px, made.config.window_px)
    with torch.no_grad():
        trunk = made.trunk(latents())
        assert (made.window(trunk, window) - window.of(made.render(trunk))).abs().max() <= 1e-5


@pytest.mark.parametrize("window", [Window(-4, 0, 128), Window(0, 132, 128), Window(2, 0, 128), Window(0, 0, 0)])
def test_windows_of_half_cells_or_beyond_the_image_are_refused(window: Window) -> None:
    made = generator()
    with pytest.raises(ValueError, match="whole cells of 4 px"):
        made.window(made.trunk(latents()), window)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("image_size_px", 96),
        ("image_size_px", 32),
        ("image_size_px", 8192),
        ("channels", 2),
        ("latent_size", 1),
        ("discriminator_width", 0),
        ("feature_cap", 1),
        ("classes", 1),
        ("kinds", 0),
    ],
)
def test_impossible_shapes_are_refused(field: str, value: int) -> None:
    with pytest.raises(ValueError, match=field):
        replace(CONFIG, **{field: value})


@pytest.mark.parametrize("grid", [0, 3, 128])
def test_impossible_grids_are_refused(grid: int) -> None:
    made = generator()
    with pytest.raises(ValueError, match="grid"):
        made.render(made.trunk(latents()), grid)


def test_tiles_outside_the_grid_are_refused() -> None:
    made = generator()
    with pytest.raises(ValueError, match=r"tile \(0, 2\)"):
        made.tile(made.trunk(latents()), 0, 2, 2)
