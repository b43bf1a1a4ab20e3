"""Images are looked at one by one, and what is kept of them is what the measures need."""

import weakref
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from benchmarks.random_features import extract, extract_real, measure
from fabgan.components.artifacts.packages import open_packages
from fabgan.components.core.errors import UserError
from fabgan.components.core.progress import Progress
from fabgan.model.streams import random_stream


def noise(count: int, size_px: int = 64) -> Iterator[torch.Tensor]:
    stream = torch.Generator().manual_seed(1)
    return (torch.randint(256, (3, size_px, size_px), generator=stream, dtype=torch.uint8) for _ in range(count))


def progress() -> Progress:
    return Progress("test", 1000, "images")


def test_no_more_than_two_images_are_held_at_a_time() -> None:
    held: weakref.WeakSet[torch.Tensor] = weakref.WeakSet()
    most = 0

    def watched() -> Iterator[torch.Tensor]:
        nonlocal most
        for x_CHW in noise(12):
            held.add(x_CHW)
            most = max(most, len(held))
            yield x_CHW

    seen = extract(watched(), random_stream(1), progress())
    assert len(seen.features_NF) == len(seen.patches_NPF) == len(seen.differences_NO2) == 12
    assert most <= 2


def test_held_out_images_are_found_among_the_real_ones(packages: Path) -> None:
    real = extract_real(open_packages(packages, 64), 1, progress())
    alone = extract(open_packages(packages, 64, "held_out"), random_stream(1), progress())
    assert torch.equal(real.held_out.features_NF, alone.features_NF)
    assert torch.equal(real.held_out.differences_NO2, alone.differences_NO2)
    assert len(real.held_out.features_NF) < len(real.every.features_NF)


def test_held_out_images_against_themselves_are_at_no_distance(packages: Path) -> None:
    real = extract_real(open_packages(packages, 64), 1, progress())
    untrained = extract(noise(8), random_stream(1), progress())
    measures = measure(real.held_out, untrained, real, seed=1)
    assert measures.frechet_random == pytest.approx(0, abs=1e-9)
    assert measures.frechet_random_patches == pytest.approx(0, abs=1e-9)
    assert (measures.diversity, measures.diversity_nearest) == pytest.approx((1, 1))
    assert (measures.ser1, measures.ser2) == pytest.approx((1, 1))
    assert measures.frechet_random_untrained > 10 * measures.frechet_random_floor > 0


def test_images_that_repeat_each_other_are_seen_though_they_differ_as_much_on_average(packages: Path) -> None:
    real = extract_real(open_packages(packages, 64), 1, progress())
    held_out = [*open_packages(packages, 64, "held_out").chosen(list(range(len(real.held_out.features_NF))))]
    repeating = extract([image for image in held_out for _ in range(2)], random_stream(1), progress())
    measures = measure(repeating, real.every, real, seed=1)
    assert measures.diversity > 0.8
    assert measures.diversity_nearest < 0.5


def test_copies_of_training_images_are_told_from_new_ones(packages: Path) -> None:
    real = extract_real(open_packages(packages, 64), 1, progress())
    copies, new = (measure(seen, real.every, real, seed=1) for seen in (real.training, real.held_out))
    assert copies.novelty == 0
    assert new.novelty == pytest.approx(1)


def test_fewer_generated_images_are_held_against_held_out_ones_of_all_lots(packages: Path) -> None:
    real = extract_real(open_packages(packages, 64), 1, progress())
    places = torch.arange(len(real.held_out.features_NF)).repeat_interleave(8)  # eight alike a lot, lot after lot
    lots = replace(real, held_out=real.held_out.chosen(places))
    lots.held_out.thumbnails_NT.add_(0.01 * torch.rand(len(places), 1, generator=torch.Generator().manual_seed(1)))
    few = real.held_out.chosen(torch.arange(4))
    assert measure(few, real.every, lots, seed=1).diversity_nearest < 100


def test_equal_real_images_are_refused(packages: Path) -> None:
    real = extract_real(open_packages(packages, 64), 1, progress())
    equal = replace(real, held_out=real.held_out.chosen(torch.tensor([0, 0, 0])))
    with pytest.raises(UserError, match="diversity cannot be measured"):
        measure(real.held_out, real.every, equal, seed=1)
    equal = replace(real, training=real.held_out)
    with pytest.raises(UserError, match="diversity cannot be measured"):
        measure(real.held_out, real.every, equal, seed=1)


def test_one_held_out_image_is_refused(packages: Path) -> None:
    real = open_packages(packages, 64)
    splits = [package.split for package in real.listed]
    learned = [place for place, split in enumerate(splits) if split == "train"]
    few = real.chosen([*learned, splits.index("held_out")])
    with pytest.raises(UserError, match=r"only 1 held-out image\(s\); raise ingest.held_out_share"):
        extract_real(few, 1, progress())


def test_images_too_small_for_seams_are_refused() -> None:
    with pytest.raises(UserError, match="seams cannot be measured: regions of 16 px are too small"):
        extract(noise(2, 32), random_stream(1), progress())
