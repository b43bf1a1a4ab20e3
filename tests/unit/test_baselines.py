from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from benchmarks.baselines import (
    VARIANTS,
    BaselineConfig,
    BaselineTraining,
    BaselineVariant,
    Maxout,
    build_discriminator,
    build_generator,
    least_squares_discriminator_loss,
    least_squares_generator_loss,
    published_config,
)
from fabgan.model.optimization import AdamConfig
from fabgan.model.paper.config import PaperConfig
from fabgan.model.paper.networks import FullDiscriminator, PaperGenerator, RegionDiscriminator
from fabgan.model.streams import random_stream

SMALL = BaselineConfig(image_size_px=32, channels=3, latent_size=8, generator_width=4, discriminator_width=4)


def training(variant: BaselineVariant) -> BaselineTraining:
    return BaselineTraining(variant, SMALL, AdamConfig(1e-3, 0.5, 0.999), seed=3)


def batch() -> tuple[Tensor, Tensor]:
    stream = random_stream(1, "baselines")
    return torch.rand(4, 3, 32, 32, generator=stream) * 2 - 1, torch.randn(4, 8, generator=stream)


def weights(trained: BaselineTraining) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": weight.detach().clone()
        for name, network in trained.networks.items()
        for key, weight in network.named_parameters()
    }


def parameters(*networks: nn.Module) -> int:
    return sum(weight.numel() for network in networks for weight in network.parameters())


def published_parameters(variant: BaselineVariant, size_px: int) -> int:
    with torch.device("meta"):
        config = published_config(variant, size_px)
        return parameters(build_generator(variant, config), build_discriminator(variant, config))


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size_px", [16, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_networks_make_and_rate_full_images(variant: BaselineVariant, size_px: int, channels: int) -> None:
    config = replace(SMALL, image_size_px=size_px, channels=channels)
    image = build_generator(variant, config)(torch.randn(2, 8))
    assert image.shape == (2, channels, size_px, size_px)
    assert image.abs().max() <= 1
    assert build_discriminator(variant, config)(image).shape == (2,)


@pytest.mark.parametrize(("size_px", "millions"), [(128, 24.0), (256, 92.7), (512, 364.5), (1024, 1445)])
def test_dcgan_has_the_parameters_of_the_published_widths(size_px: int, millions: float) -> None:
    assert published_parameters("dcgan", size_px) / 1e6 == pytest.approx(millions, abs=0.5 if millions > 1000 else 0.05)


@pytest.mark.parametrize("size_px", [128, 256, 512, 1024])
def test_the_papers_setting_has_at_least_69_percent_fewer_parameters_than_dcgan(size_px: int) -> None:
    with torch.device("meta"):
        config = PaperConfig(size_px, 3, 100, 16, 64, 64, 16)
        of_paper = parameters(PaperGenerator(config), RegionDiscriminator(config), FullDiscriminator(config))
    assert of_paper <= 0.31 * published_parameters("dcgan", size_px)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("size_px", [128, 256, 512, 1024])
def test_published_settings_map_latents_to_images_at_every_size(variant: BaselineVariant, size_px: int) -> None:
    with torch.device("meta"):
        config = published_config(variant, size_px)
        image = build_generator(variant, config)(torch.empty(2, config.latent_size))
        assert image.shape == (2, 3, size_px, size_px)
        assert build_discriminator(variant, config)(image).shape == (2,)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_step_changes_every_weight_of_both_networks(variant: BaselineVariant) -> None:
    trained = training(variant)
    before = weights(trained)
    losses = trained.step(*batch())
    assert losses.keys() == {"G", "D"}
    assert [name for name, weight in weights(trained).items() if torch.equal(weight, before[name])] == []


@pytest.mark.parametrize("variant", VARIANTS)
def test_same_seed_trains_to_the_same_weights_and_draws_nothing_else(variant: BaselineVariant) -> None:
    state = torch.random.get_rng_state()
    first, second = training(variant), training(variant)
    for trained in (first, second):
        trained.step(*batch())
    assert all(torch.equal(weight, weights(second)[name]) for name, weight in weights(first).items())
    assert torch.equal(torch.random.get_rng_state(), state)


@pytest.mark.parametrize("variant", VARIANTS)
def test_discriminator_learns_to_tell_real_from_fake(variant: BaselineVariant) -> None:
    trained = training(variant)
    losses = [trained.step(*batch()) for _ in range(40)]
    assert losses[-1]["D"] < 0.5 * losses[0]["D"]


@pytest.mark.parametrize("variant", VARIANTS)
def test_generator_learns_to_deceive_a_discriminator_that_stands_still(variant: BaselineVariant) -> None:
    trained = training(variant)
    trained.optimizers["D"].param_groups[0]["lr"] = 0.0
    losses = [trained.step(*batch()) for _ in range(40)]
    assert losses[-1]["G"] < 0.9 * losses[0]["G"]


def test_least_squares_losses_are_the_papers() -> None:
    real, fake = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 2.0])
    assert least_squares_discriminator_loss(real, fake) == 0.5 * 0.5 + 0.5 * 2.0
    assert least_squares_generator_loss(fake) == 0.5 * 1.0


def test_lsgan_trains_on_the_least_squares_losses() -> None:
    trained, (x, z) = training("lsgan"), batch()
    fake = trained.discriminator(trained.generator(z))
    expected = least_squares_discriminator_loss(trained.discriminator(x), fake)
    torch.testing.assert_close(training("lsgan").step(x, z)["D"], expected.detach())


def test_maxout_is_the_largest_of_its_pieces() -> None:
    layer, x = Maxout(6, 2), torch.randn(3, 6)
    pieces = layer.linear(x)
    torch.testing.assert_close(layer(x)[:, 1], pieces[:, 5:].max(dim=1).values)


@pytest.mark.parametrize("size_px", [0, 8, 100])
def test_impossible_sizes_are_refused(size_px: int) -> None:
    with pytest.raises(ValueError, match="image_size_px: expected a power of two"):
        replace(SMALL, image_size_px=size_px)


def test_impossible_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="channels: expected 1"):
        replace(SMALL, channels=4)
