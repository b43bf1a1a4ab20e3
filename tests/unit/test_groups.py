"""The tables of groups hold what was measured of each quarter, kind, class and product."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from fabgan.components.artifacts.packages import Packages
from fabgan.components.measures.features import Features
from fabgan.components.measures.groups import groups_of
from fabgan.components.measures.real import Real, divided
from tests.unit.test_floors import PER_LOT, package

LISTED = [
    replace(package(f"{product}{lot}", product, "train" if lot else "held_out", number), label=label)
    for product, label in (("a", "good"), ("b", "scratch"))
    for lot in range(3)
    for number in range(PER_LOT)
]


def features(middles: list[float]) -> Features:
    """Return random features, each near the number that is its image's."""
    stream, count = torch.Generator().manual_seed(1), len(middles)

    def drawn(*shape: int) -> torch.Tensor:
        spread = 0.1 * torch.randn(count, *shape, generator=stream, dtype=torch.float64)
        return spread + torch.tensor(middles, dtype=torch.float64).view(-1, *[1] * len(shape))

    whole, patches, powers = drawn(16), drawn(4, 16), (drawn(5), drawn(10), drawn(3))
    return Features(whole, patches, *powers, drawn(2, 2), drawn(), drawn(8, 8), drawn(4, 3, 8, 8))


@pytest.fixture
def real() -> Real:
    """Return images whose features say of which product they are."""
    return divided(features([float(each.product == "b") for each in LISTED]), Packages(Path(), 64, LISTED), 1)


def test_without_origins_there_are_quarters_and_products(real: Real) -> None:
    found = groups_of(features([0.0] * 10), real, LISTED, torch.zeros(10, dtype=torch.bool), {})
    assert list(found) == ["quarter", "product"]
    assert list(found["quarter"]) == ["upper left", "upper right", "lower left", "lower right"]
    assert found["product"] == {
        "a": {"held_out": PER_LOT, "recall": pytest.approx(1, abs=0.2)},
        "b": {"held_out": PER_LOT, "recall": 0},
    }


def test_a_spoiled_quarter_stands_out(real: Real) -> None:
    generated = features([0.0] * 6 + [1.0] * 6)
    patches = generated.patches_NPF.clone()
    patches[:, 2] += 1
    found = groups_of(replace(generated, patches_NPF=patches), real, LISTED, torch.zeros(12, dtype=torch.bool), {})
    rows = {name: row["kernel_distance_patches"] or 0 for name, row in found["quarter"].items()}
    assert max(rows, key=lambda name: rows[name]) == "lower left"
    assert all((row["kernel_distance_patches_floor"] or 0) < 100 for row in found["quarter"].values())


def test_kinds_have_their_shares_of_images_among_real_ones_and_of_copies(real: Real) -> None:
    generated, copied_N = features([0.0] * 4 + [5.0] * 4), torch.tensor([True] * 2 + [False] * 6)
    found = groups_of(generated, real, LISTED, copied_N, {"kind": ["1"] * 4 + ["2"] * 4})
    assert found["kind"] == {
        "1": {"generated": 4, "precision": 1, "copied_share": 0.5},
        "2": {"generated": 4, "precision": 0, "copied_share": 0},
    }


def test_classes_are_compared_with_the_held_out_images_of_the_same_class(real: Real) -> None:
    generated, names = features([0.0] * 5 + [0.0] * 5 + [0.0] * 1), ["good"] * 5 + ["scratch"] * 5 + ["void"]
    found = groups_of(generated, real, LISTED, torch.zeros(11, dtype=torch.bool), {"class": names})["class"]
    assert {name: row["held_out"] for name, row in found.items()} == {"good": 6, "scratch": 6, "void": 0}
    good, scratch = (found[name]["kernel_distance"] or 0 for name in ("good", "scratch"))
    assert scratch > 100 * abs(good)
    assert abs(found["scratch"]["kernel_distance_floor"] or 1) < 0.1 * scratch
    assert found["void"]["kernel_distance"] is None
