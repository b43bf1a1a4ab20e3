"""Usefulness: synthetic images help or harm an inspection model, and images that cannot be compared are refused."""

import statistics
import weakref
from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from fabgan.components.core.errors import UserError
from fabgan.components.measures.usefulness import RUNS, SIZE_PX, Usefulness, usefulness
from fabgan.model.streams import random_stream

Examples = tuple[list[Tensor], list[str]]
STEPS = 50
LABELS = ("good", "marked")


def noise(name: str, per_class: int, colours: int = 1, size_px: int = 64) -> Examples:
    """Return images of noise on grey. A marked image has a small bright square, in one of the first few colours."""
    stream, labels = random_stream(name), [*LABELS] * per_class
    return [_noise(label, stream, colours, size_px) for label in labels], labels


def _noise(label: str, stream: torch.Generator, colours: int, size_px: int) -> Tensor:
    x_CHW = torch.randint(100, (3, size_px, size_px), generator=stream, dtype=torch.uint8)
    x_CHW += torch.randint(50, (1,), generator=stream, dtype=torch.uint8)
    top, left = torch.randint(4, size_px - 14, (2,), generator=stream).tolist()
    colour = int(torch.randint(colours, (), generator=stream))
    if label == "marked":
        x_CHW[colour, top : top + 10, left : left + 10] += 100
    return x_CHW


def measured(synthetic: Examples, held_out: Examples, seed: int = 1, steps: int = STEPS) -> Usefulness:
    """Return the usefulness of images beside four real ones, which show a single colour of marks."""
    return usefulness(*noise("real", 2), *held_out, *synthetic, seed, steps)


def test_images_that_show_what_the_real_ones_lack_help() -> None:
    found = measured(noise("synthetic", 64, colours=2), noise("held out", 40, colours=2))
    assert len(found.real) == len(found.augmented) == len(found.synthetic) == RUNS
    assert 0 < found.gain_low < found.gain < found.gain_high < 1
    gains = [after - before for before, after in zip(found.augmented, found.synthetic, strict=True)]
    assert found.gain == pytest.approx(statistics.mean(gains))
    half_width = 2.776 * statistics.stdev(gains) / 5**0.5  # 2.776: Student's t for four degrees of freedom
    assert (found.gain_low, found.gain_high) == pytest.approx((found.gain - half_width, found.gain + half_width), 1e-3)


def test_images_with_wrong_labels_harm() -> None:
    images, labels = noise("synthetic", 64)
    found = measured((images, labels[::-1]), noise("held out", 40))
    assert found.gain_low < found.gain < found.gain_high < 0


def test_a_measure_depends_on_its_seed_alone() -> None:
    synthetic, held_out = noise("synthetic", 4), noise("held out", 4)
    first = measured(synthetic, held_out, steps=3)
    torch.rand(1)  # moves torch's own random numbers on
    assert measured(synthetic, held_out, steps=3) == first
    assert measured(synthetic, held_out, steps=3, seed=2) != first


def test_synthetic_images_are_the_only_difference_of_paired_trainings() -> None:
    """The real images, given once more as synthetic ones of a single image a class, change nothing."""
    real = noise("real", 1)
    found = usefulness(*real, *noise("held out", 20), *real, seed=1, steps=5)
    assert found.synthetic == found.augmented != found.real
    assert found.gain == found.gain_low == found.gain_high == 0


def test_images_are_read_one_by_one_and_shrunk() -> None:
    held: weakref.WeakSet[Tensor] = weakref.WeakSet()
    most = 0

    def watched(examples: Examples) -> tuple[Iterator[Tensor], list[str]]:
        def one_by_one() -> Iterator[Tensor]:
            nonlocal most
            for _ in range(len(examples[0])):
                x_CHW = examples[0].pop(0).clone()
                held.add(x_CHW)
                most = max(most, len(held))
                yield x_CHW

        return one_by_one(), examples[1]

    real, held_out, synthetic = (watched(noise(name, 3, size_px=2 * SIZE_PX)) for name in ("a", "b", "c"))
    usefulness(*real, *held_out, *synthetic, seed=1, steps=2)
    assert 1 <= most <= 2


def test_one_class_is_refused() -> None:
    images = noise("real", 2)[0]
    with pytest.raises(UserError, match=r"the images have 1 class\(es\), .* at least two; see ingest.labels_file"):
        usefulness(images, ["good"] * 4, images, ["good"] * 4, images, ["good"] * 4, seed=1)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (0, "no training image has the class 'marked'; change ingest.seed or lower ingest.held_out_share"),
        (1, "no held-out image has the class 'marked'; change ingest.seed or raise ingest.held_out_share"),
        (2, "no synthetic image has the class 'marked'; generate images of every class"),
    ],
)
def test_a_class_that_a_set_lacks_is_named(place: int, message: str) -> None:
    images, labels = noise("real", 2)
    labels_of = [labels, labels, labels]
    labels_of[place] = ["good"] * 4
    with pytest.raises(UserError, match=message):
        usefulness(images, labels_of[0], images, labels_of[1], images, labels_of[2], seed=1)


def test_small_images_are_refused() -> None:
    small = noise("small", 1, size_px=63)
    with pytest.raises(UserError, match="an image has 63 px a side, and 64 px is the minimum; see crop_resize"):
        usefulness(*small, *small, *small, seed=1)


def test_images_of_different_shapes_are_refused() -> None:
    small, large = noise("small", 1), noise("large", 1, size_px=96)
    with pytest.raises(UserError, match=r"images differ in shape, \(3, 64, 64\) and \(3, 96, 96\)"):
        usefulness(*small, *small, *large, seed=1)
    mixed = [small[0][0], large[0][1]], small[1]
    with pytest.raises(UserError, match="images differ in shape"):
        usefulness(*mixed, *small, *small, seed=1)


def test_a_missing_label_is_refused() -> None:
    images, labels = noise("real", 2)
    with pytest.raises(ValueError, match="shorter"):
        usefulness(images, labels[:3], images, labels, images, labels, seed=1)
