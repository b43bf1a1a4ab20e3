import pytest
import torch

from fabgan.model.paper.config import PaperConfig
from fabgan.model.paper.networks import FullDiscriminator, PaperGenerator, RegionDiscriminator
from fabgan.model.regions import psi

SMALL = PaperConfig(
    image_size_px=32,
    channels=3,
    latent_size=8,
    embedding_size=4,
    generator_width=4,
    discriminator_width=4,
    full_discriminator_width=2,
)


@pytest.mark.parametrize("size_px", [16, 32, 64])
@pytest.mark.parametrize("channels", [1, 3])
def test_generator_makes_regions_of_half_the_side_in_range(size_px: int, channels: int) -> None:
    generator = PaperGenerator(PaperConfig(size_px, channels, 8, 4, 4, 4, 2))
    region = generator(torch.randn(2, 8), 3)
    assert region.shape == (2, channels, size_px // 2, size_px // 2)
    assert region.abs().max() <= 1


def test_full_image_is_the_regions_of_the_same_latent() -> None:
    generator, z = PaperGenerator(SMALL).eval(), torch.randn(2, 8)
    whole = generator.full_image(z)
    for region in range(4):
        torch.testing.assert_close(psi(whole, region, 2), generator(z, region))


def test_generator_is_told_the_region() -> None:
    generator, z = PaperGenerator(SMALL).eval(), torch.randn(2, 8)
    assert not torch.allclose(generator(z, 0), generator(z, 1))


def test_region_discriminator_is_told_the_region() -> None:
    judge, x = RegionDiscriminator(SMALL).eval(), torch.rand(2, 3, 16, 16) * 2 - 1
    assert judge(x, 0).shape == (2,)
    assert not torch.equal(judge(x, 0), judge(x, 1))


def test_full_discriminator_judges_full_images() -> None:
    assert FullDiscriminator(SMALL)(torch.zeros(2, 3, 32, 32)).shape == (2,)


def test_each_region_keeps_its_own_running_statistics() -> None:
    generator = PaperGenerator(SMALL).train()
    statistics = dict(generator.named_buffers())["norms.0.running_mean"]
    before = statistics.clone()
    generator(torch.randn(4, 8), 2)
    changed = (statistics != before).any(dim=1)
    assert changed.tolist() == [False, False, True, False]


def test_full_setting_of_the_paper_saves_what_it_claims_over_dcgan() -> None:
    with torch.device("meta"):
        config = PaperConfig(128, 3, 100, 16, 64, 64, 16)
        networks = [PaperGenerator(config), RegionDiscriminator(config), FullDiscriminator(config)]
    parameters = sum(weight.numel() for network in networks for weight in network.parameters())
    dcgan_at_128 = 24.0e6
    assert parameters <= 0.31 * dcgan_at_128


@pytest.mark.parametrize("size_px", [0, 8, 100])
def test_impossible_sizes_are_refused(size_px: int) -> None:
    with pytest.raises(ValueError, match="image_size_px: expected a power of two"):
        PaperConfig(size_px, 3, 8, 4, 4, 4, 2)


def test_impossible_channels_are_refused() -> None:
    with pytest.raises(ValueError, match="channels: expected 1"):
        PaperConfig(64, 4, 8, 4, 4, 4, 2)
