"""What the limits see of held-out images that are spoiled on purpose, and what they miss where lots differ."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from fabgan.components.artifacts.manifest import Package
from fabgan.components.artifacts.packages import Packages
from fabgan.components.artifacts.verdict import Sensitivity, Sight
from fabgan.components.core.files import sha256_of_file
from fabgan.components.core.images import write_png
from fabgan.components.measures import judge
from fabgan.components.measures.comparison import compare
from fabgan.components.measures.features import Features
from fabgan.components.measures.floors import lots_by_product
from fabgan.components.measures.real import divided
from fabgan.components.measures.sensitivity import (
    COLOUR_KINDS,
    IMAGES,
    KINDS,
    MIN_IMAGES,
    places_of_kept_lots,
    sensitivity_of,
)
from fabgan.components.measures.spoiling import blurred, faded
from tests.unit.test_features import EXTRACTOR, extracted
from tests.unit.test_floors import packages
from tests.unit.test_judge import LISTED, PARAMS, SIDE, product

SOFTNESS_PX = (0.01, 2.0, 0.01, 4.0, 0.5, 4.0)
"""Blur of the lots of one product."""


def written(folder: Path, listed: Sequence[Package], x_NCHW: Tensor) -> Packages:
    """Return packages whose images are files."""
    named = []
    for package, x_CHW in zip(listed, x_NCHW, strict=True):
        path = folder / f"{package.name}.png"
        write_png(path, x_CHW.permute(1, 2, 0).numpy())
        size = str(SIDE)
        named.append(replace(package, files={size: path.name}, sha256={size: sha256_of_file(path)}))
    return Packages(folder, SIDE, named)


def sensitivity(
    folder: Path,
    listed: Sequence[Package] = LISTED,
    change: Callable[[Package, Tensor], Tensor] = lambda _, x: x,
    min_share: float = 0.5,
) -> Sensitivity:
    images = product("real", len(listed))[:, None]
    x_NCHW = torch.cat([change(package, x) for package, x in zip(listed, images, strict=True)])
    every = written(folder, listed, x_NCHW)
    held_out = every.chosen([at for at, package in enumerate(listed) if package.split == "held_out"])
    real = divided(extracted(x_NCHW), every, 1)
    return sensitivity_of(held_out, real, EXTRACTOR, replace(PARAMS, min_share=min_share))


def sights(found: Sensitivity) -> dict[str, Sight]:
    return {sight.name: sight for sight in found.sights}


def softened(package: Package, x_NCHW: Tensor) -> Tensor:
    return blurred(x_NCHW, SOFTNESS_PX[int(package.lot[1:])])


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Sensitivity:
    """The table of lots that are alike."""
    return sensitivity(tmp_path_factory.mktemp("alike"))


def test_what_spoils_detail_is_seen_by_the_spectrum(found: Sensitivity) -> None:
    assert found.images == min(sum(package.split == "held_out" for package in LISTED), IMAGES)
    assert "spectrum_db" in sights(found)["blur_px"].seen_by
    assert sights(found)["blur_px"].seen_from == sights(found)["blur_px"].strongest == 0.5
    assert found.metrics["blur_px_seen_from"] == 0.5
    assert list(sights(found)) == [
        "blur_px",
        "noise_levels",
        "jpeg_loss",
        "lattice_8px_levels",
        "colour_loss",
        "tint_levels",
        "lots_missing",
    ]


def test_blur_is_seen_later_where_lots_differ_in_sharpness(tmp_path: Path) -> None:
    blur = sights(sensitivity(tmp_path, change=softened))["blur_px"]
    assert blur.seen_from is None or blur.seen_from > 0.5


def test_the_same_images_give_the_same_table_and_are_compared_once_a_grade(
    tmp_path: Path, found: Sensitivity, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared = list[int]()

    def counted(generated: Features, real: Features, products_M: Tensor) -> dict[str, float]:
        compared.append(len(generated))
        return compare(generated, real, products_M)

    monkeypatch.setattr(judge, "compare", counted)
    assert sensitivity(tmp_path) == found
    grades = sum(len(kind.grades) for kind in (*KINDS, *COLOUR_KINDS))
    assert len(compared) <= grades + 2  # the unspoiled images, and those of fewer lots


def test_too_few_images_are_an_obstacle(tmp_path: Path) -> None:
    listed = packages({"a": (5, 1)})
    assert sum(package.split == "held_out" for package in listed) < MIN_IMAGES
    found = sensitivity(tmp_path, listed)
    assert found.obstacle == f"there are 6 held-out images, and at least {MIN_IMAGES} are needed"
    assert not found.sights
    assert not found.metrics


def test_nothing_is_said_of_missing_lots_if_they_leave_few_images(tmp_path: Path) -> None:
    listed = packages({"a": (4, 2)})
    kept = places_of_kept_lots([package for package in listed if package.split == "held_out"], PARAMS.seed)
    assert len(kept) < MIN_IMAGES
    assert sights(sensitivity(tmp_path, listed)).keys() == {kind.name for kind in (*KINDS, *COLOUR_KINDS)}


def test_limits_that_refuse_unspoiled_images_say_nothing_of_spoiled_ones(tmp_path: Path) -> None:
    found = sensitivity(tmp_path, min_share=100)
    assert found.obstacle.startswith("the unspoiled images are refused, by precision")
    assert not found.sights


def test_half_of_the_lots_of_every_product_are_left_and_at_least_one() -> None:
    listed = packages({"a": (4, 1), "b": (3, 1), "c": (1, 1)})
    kept = [listed[place] for place in places_of_kept_lots(listed, 1)]
    assert {product: len(lots) for product, lots in lots_by_product(kept).items()} == {"a": 2, "b": 1, "c": 1}
    assert {package.lot for package in kept} != {package.lot for package in listed}
    whole = [package for package in listed if package.lot in {one.lot for one in kept}]
    assert kept == whole
    assert places_of_kept_lots(listed, 1) != places_of_kept_lots(listed, 2)


@pytest.mark.parametrize(("share", "spread"), [(0.0, 200), (0.5, 100), (1.0, 0)])
def test_faded_images_lose_a_share_of_their_colour(share: float, spread: int) -> None:
    x = torch.tensor([200, 100, 0], dtype=torch.uint8).view(1, 3, 1, 1)
    lost = faded(x, share)
    assert int(lost.max() - lost.min()) == spread
