"""Kinds of the seamless model: quantiles choose them, G makes images of each, and discriminators know classes."""

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import avg_pool2d

from fabgan.model.seamless.discriminators import FullDiscriminator
from fabgan.model.seamless.generator import SeamlessGenerator
from fabgan.model.seamless.recipe import SeamlessRecipe
from fabgan.model.seamless.training import SeamlessTraining
from fabgan.model.streams import random_stream
from tests.unit.test_seamless import CONFIG, LABELLED, generator, latents, photographs, training


def test_quantiles_choose_kinds_as_frequent_as_in_training() -> None:
    made = SeamlessGenerator(replace(CONFIG, latent_size=64, kinds=3))
    made.kind_shares_K.copy_(torch.tensor([0.5, 0.2, 0.3]))
    kinds = made.kinds_of(torch.rand(4000, generator=random_stream("kinds")))
    torch.testing.assert_close(kinds.bincount() / len(kinds), made.kind_shares_K, atol=0.02, rtol=0)


@torch.no_grad()
def test_a_latents_first_value_has_no_effect() -> None:
    made = generator(replace(CONFIG, kinds=3)).eval()
    z = torch.randn(4, CONFIG.latent_size, generator=random_stream("kinds"))
    kinds = torch.tensor([0, 1, 2, 0])
    other = torch.cat([torch.randn(4, 1, generator=random_stream("first")), z[:, 1:]], dim=1)
    assert torch.equal(made.full_image(z, kinds), made.full_image(other, kinds))
    assert not torch.equal(made.full_image(z, kinds), made.full_image(z, (kinds + 1) % 3))


def test_quantiles_of_a_class_choose_among_its_kinds() -> None:
    made = generator(LABELLED)
    assert made.class_of_kind_K.tolist() == [0, 1, 2, 0]
    made.kind_shares_K.copy_(torch.tensor([0.1, 0.2, 0.4, 0.3]))
    quantiles = torch.rand(4000, generator=random_stream("kinds"))
    shares = made.kinds_of(quantiles, label=0).bincount(minlength=4) / len(quantiles)
    torch.testing.assert_close(shares, torch.tensor([0.25, 0.0, 0.0, 0.75]), atol=0.02, rtol=0)


@pytest.mark.parametrize("bright", [0, 1])
def test_what_is_made_of_a_kind_is_like_the_real_images_of_that_kind(bright: int) -> None:
    """Whichever of two kinds is the bright one: G would tell them apart by chance if it were not told."""
    config = replace(CONFIG, image_size_px=64, generator_width=4, kinds=2)
    trained = SeamlessTraining(config, SeamlessRecipe(total_steps=60), 3, "joint")
    kinds = torch.arange(8) % 2
    x = (255 * (kinds == bright))[:, None, None, None].expand(-1, 3, 64, 64).to(torch.uint8)
    for index in range(1, 61):
        trained.step(x, index, random_stream("step", index), kinds)
    with torch.no_grad():
        means = trained.generator.full_image(torch.randn(8, 8, generator=random_stream("z")), kinds).mean((1, 2, 3))
    assert means[kinds == bright].min() > means[kinds != bright].max() + 0.5


def test_images_of_a_kind_differ_where_its_real_images_do() -> None:
    """What draws each image to a real one alone would make all of a kind alike."""
    config = replace(CONFIG, image_size_px=64, generator_width=4)
    trained = SeamlessTraining(config, SeamlessRecipe(total_steps=100), 2, "joint")
    for index in range(1, 101):
        stream = random_stream("step", index)
        brightness = torch.full((8, 1, 8, 8), 80.0)
        brightness[..., 4:] += 20 * torch.randn(8, 1, 8, 4, generator=stream)
        x = brightness.repeat_interleave(8, 2).repeat_interleave(8, 3).clamp(0, 255).to(torch.uint8)
        trained.step(x.expand(-1, 3, -1, -1), index, stream)
    with torch.no_grad():
        made = trained.generator.full_image(torch.randn(64, 8, generator=random_stream("z")))
    still, varied = (127.5 * avg_pool2d(made, 8).std(dim=0)).mean(0).chunk(2, dim=1)
    assert 10 < varied.mean() < 30
    assert varied.mean() > still.mean() + 3


def test_several_kinds_have_to_be_told_and_a_class_must_be_there() -> None:
    with pytest.raises(ValueError, match="with 4 kinds, every image needs"):
        training(config=LABELLED).step(photographs(), 1, random_stream("step"))
    with pytest.raises(ValueError, match="3 is not one of the 3 classes"):
        generator(LABELLED).kinds_of(latents(), label=3)


def test_kinds_change_what_is_made_and_labels_what_is_rated() -> None:
    torch.manual_seed(0)
    made, discriminator = generator(LABELLED), FullDiscriminator(LABELLED)
    with torch.no_grad():
        first, second = (made.trunk(latents(1), torch.tensor([kind])).coarse_BCHW for kind in (0, 3))
        assert (first - second).abs().mean() > 0.01
        assert discriminator(first, torch.tensor([0])) != discriminator(first, torch.tensor([2]))
