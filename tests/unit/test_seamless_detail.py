"""Images larger than their coarse ones: how those are enlarged, and where the detail comes from."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from fabgan.model.optimization import GradientMode
from fabgan.model.pixels import shrunk, to_float
from fabgan.model.seamless.config import SeamlessConfig
from fabgan.model.seamless.discriminators import FullDiscriminator, RegionDiscriminator
from fabgan.model.seamless.energy import image_energy
from fabgan.model.seamless.generator import SeamlessGenerator
from fabgan.model.seamless.recipe import SeamlessRecipe
from fabgan.model.seamless.training import SeamlessTraining
from fabgan.model.streams import random_stream
from tests.unit.test_seamless import CONFIG, generator, latents, photographs, training


def test_coarse_images_are_enlarged_without_edges() -> None:
    """Where slopes meet, one coarse pixel after the other would show."""
    made = generator(replace(CONFIG, image_size_px=1024))
    assert made.to_detail is not None
    nn.init.zeros_(made.to_detail.weight)
    with torch.no_grad():
        trunk = made.trunk(latents())
        bends = made.render(trunk).diff(n=2, dim=-1).abs().max()
        once = interpolate(trunk.coarse_BCHW, scale_factor=8, mode="bilinear").diff(n=2, dim=-1).abs().max()
    assert 0 < bends < 0.3 * once


def test_images_begin_as_their_coarse_ones_with_a_little_detail() -> None:
    made = generator(replace(CONFIG, image_size_px=512))
    with torch.no_grad():
        trunk = made.trunk(latents())
        added = (shrunk(made.render(trunk), 128) - trunk.coarse_BCHW).abs().mean()
    assert 0 < added < trunk.coarse_BCHW.std()


@pytest.mark.parametrize("gradient_mode", ["joint", "region_wise"])
def test_second_samples_carry_no_graph(monkeypatch: pytest.MonkeyPatch, gradient_mode: GradientMode) -> None:
    """Else detail, whose levels second samples pass too, would learn twice as fast as the trunk."""
    seen = []

    def watched(fake_BCHW: Tensor, second_BCHW: Tensor, real_BCHW: Tensor) -> Tensor:
        seen.append((fake_BCHW.requires_grad, second_BCHW.requires_grad))
        return image_energy(fake_BCHW, second_BCHW, real_BCHW)

    monkeypatch.setattr("fabgan.model.seamless.training.image_energy", watched)
    training(gradient_mode, images_at_once=4).step(photographs(), 1, random_stream("step"))
    assert seen == 3 * [(True, False)]


def test_detail_is_learned_from_windows_though_no_discriminator_knows_it() -> None:
    """Stripes of one pixel, which the coarse image does not show."""
    recipe = SeamlessRecipe(total_steps=60, learning_rate=1e-2, discriminator_learning_rate=1e-12)
    trained = SeamlessTraining(CONFIG, recipe, 1, "joint")
    x = torch.full((4, 3, 256, 256), 100, dtype=torch.uint8)
    x[..., ::2] = 150
    for index in range(1, 61):
        trained.step(x, index, random_stream("step", index))
    with torch.no_grad():
        made = trained.generator.full_image(latents())
    assert (made - to_float(x[:3])).abs().mean() < 0.2 * to_float(x).std()


def test_networks_for_1024_px_have_at_most_eight_million_parameters() -> None:
    config = SeamlessConfig(1024, 3, 64, 8, 16, 8, 128)
    with torch.device("meta"):
        networks = SeamlessGenerator(config), RegionDiscriminator(config), FullDiscriminator(config)
    assert sum(weight.numel() for network in networks for weight in network.parameters()) <= 8_000_000
