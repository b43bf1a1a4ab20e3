"""The defect model: what it changes, that it learns, and that the same seed gives the same weights.

Dimensions: B batch, C image channels, H W pixels, K kinds.
"""

import pickle
from dataclasses import replace
from itertools import product

import numpy as np
import pytest
import torch
from torch import Tensor

from fabgan.components.defects.card import paints_of
from fabgan.components.defects.cutouts import Cutout, neighbourhood
from fabgan.components.defects.fitting import Fitter
from fabgan.components.defects.pasting import pasted
from fabgan.components.defects.places import Place
from fabgan.model.defects.networks import SHAPE_MAPS, DefectConfig, DefectDiscriminator, DefectGenerator, Scene
from fabgan.model.defects.training import Batch, DefectTraining
from fabgan.model.streams import random_stream

CONFIG = DefectConfig(channels=3, kinds=2, generator_width=4, discriminator_width=4)
SIDE_PX, BATCH = 16, 8


def scene(seed: int) -> Scene:
    """Return grey backgrounds, with a square mask in each."""
    stream = torch.Generator().manual_seed(seed)
    mask_B1HW = torch.zeros(BATCH, 1, SIDE_PX, SIDE_PX)
    mask_B1HW[:, :, 4:12, 4:12] = 1
    kind_BK = torch.nn.functional.one_hot(torch.arange(BATCH) % 2, 2).float()
    background_BCHW = 0.1 * torch.randn(BATCH, 3, SIDE_PX, SIDE_PX, generator=stream)
    return Scene(background_BCHW, mask_B1HW.repeat(1, SHAPE_MAPS, 1, 1), mask_B1HW, kind_BK)


def red(of: Scene) -> Tensor:
    """Return the scene with defects: red squares."""
    colour_1C11 = torch.tensor([0.8, -0.5, -0.5]).view(1, 3, 1, 1)
    return of.background_BCHW + of.share_B1HW * (colour_1C11 - of.background_BCHW)


def begun_training(seed: int = 1, width: int = 4) -> DefectTraining:
    return DefectTraining.begun(replace(CONFIG, generator_width=width), seed)


def test_an_untrained_generator_shows_the_reference_and_keeps_the_background() -> None:
    place, generator = scene(1), begun_training().generator
    reference_BCHW = torch.full_like(place.background_BCHW, 0.5)
    made_BCHW = generator(place, reference_BCHW)
    inside = (place.share_B1HW == 1).expand_as(made_BCHW)
    assert torch.equal(made_BCHW[~inside], place.background_BCHW[~inside])
    assert (made_BCHW[inside] - 0.5).abs().max() < 0.15  # nearly opaque


def test_both_ways_are_drawn_by_place_alone() -> None:
    """Also where places are multiples of four, as in images of four times the size in which they are searched."""
    random = np.random.default_rng(1)
    covers_HW = np.zeros((16, 16), np.bool_)
    covers_HW[5:11, 5:11] = True
    cutout = Cutout("b", "source", random.integers(0, 255, (16, 16, 3), np.uint8), covers_HW)
    paints = paints_of(begun_training().generator, ["a", "b"])
    background_HWC, drawn = np.full((96, 96, 3), 90, np.uint8), list[str]()
    for top_px, left_px in product(range(0, 64, 4), repeat=2):
        place = Place(top_px, left_px, 0.0)
        made = {name: paint(cutout, background_HWC, place)[0] for name, paint in paints.items()}
        assert not np.array_equal(made["pasted"], made["fitted"])
        drawn.append("pasted" if np.array_equal(made["both"], made["pasted"]) else "fitted")
        assert np.array_equal(made["both"], made[drawn[-1]])
    assert 0.4 < drawn.count("pasted") / len(drawn) < 0.6


def test_training_restores_colours_that_were_distorted() -> None:
    """References have colours that are off by as much as in training. So only the surroundings tell the right ones."""
    training = begun_training(width=12)
    for step in range(300):
        place = scene(step)
        training.step(Batch(red(place), place.share_B1HW, place, red(place)), random_stream(1, step))
    place = scene(1000)
    tinted_BCHW = red(place) + 0.3
    made_BCHW = training.generator(place, tinted_BCHW)
    off = ((made_BCHW - red(place)).abs() * place.share_B1HW).sum() / (3 * place.share_B1HW.sum())
    assert off < 0.2, off  # of 0.3 before


def test_the_same_seed_trains_the_same_weights_and_another_seed_others() -> None:
    weights = []
    for seed in (1, 1, 2):
        training = begun_training(seed)
        for step in range(3):
            place = scene(step)
            training.step(Batch(red(place), place.share_B1HW, place, red(place)), random_stream(seed, step))
        weights.append(torch.cat([tensor.flatten() for tensor in training.averaged.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


def test_the_discriminator_sees_the_mask_and_the_kind() -> None:
    place, discriminator = scene(1), DefectDiscriminator(CONFIG).eval()
    scores = discriminator(red(place), place.share_B1HW, place.kind_BK)
    assert scores.shape == (BATCH, 1, SIDE_PX // 8, SIDE_PX // 8)
    assert not torch.equal(scores, discriminator(red(place), 0 * place.share_B1HW, place.kind_BK))
    assert not torch.equal(scores, discriminator(red(place), place.share_B1HW, place.kind_BK.flip(1)))


@pytest.mark.parametrize(("height_px", "width_px"), [(30, 30), (17, 41), (9, 9)])
@pytest.mark.parametrize("channels", [1, 3])
def test_a_fitter_changes_only_pixels_beside_the_mask(height_px: int, width_px: int, channels: int) -> None:
    """At any size, also where the model's strides do not divide it, and for grey images."""
    random = np.random.default_rng(1)
    covers_HW = np.zeros((height_px, width_px), np.bool_)
    covers_HW[height_px // 2 - 2 : height_px // 2 + 2, 3:-3] = True
    cutout = Cutout("b", "source", random.integers(0, 255, (height_px, width_px, channels), np.uint8), covers_HW)
    background_HWC = random.integers(0, 255, (64, 64, channels), np.uint8)
    network = DefectGenerator(replace(CONFIG, channels=channels))
    image_HWC, mask_HW = Fitter(network, ["a", "b"])(cutout, background_HWC, Place(20, 15, 0.0))
    _, expected_HW = pasted(cutout, background_HWC, Place(20, 15, 0.0))
    assert np.array_equal(mask_HW, expected_HW)
    beside = ~neighbourhood(mask_HW > 0)
    assert np.array_equal(image_HWC[beside], background_HWC[beside])
    assert (image_HWC[mask_HW > 0] != background_HWC[mask_HW > 0]).any(axis=1).mean() > 0.9


def test_all_ways_can_be_sent_to_another_process() -> None:
    """Programs that load data in several processes start them anew on some systems."""
    for name, paint in paints_of(begun_training().generator, ["a", "b"]).items():
        assert callable(pickle.loads(pickle.dumps(paint))), name
