"""Which kinds of defects are found badly, and how images are shared out among the kinds.

Dimensions: C channels, H W pixels.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch
from torch import Tensor

from fabgan.components.artifacts.packages import Packages
from fabgan.components.defects.judging import MADE_IMAGES, made_images, measured
from fabgan.components.defects.needs import needs_of
from fabgan.components.defects.pool import Pool
from fabgan.components.defects.shares import by_need
from fabgan.components.measures.inspection import DenseFeatures

SIDE_PX = 64
PLAIN, HIDDEN = "plain", "hidden"


@dataclass(frozen=True)
class Noise:
    """Packages of noise. A plain defect is a bright square. A hidden one has a mask, and changes no pixel."""

    listed: Sequence[Any]
    kinds = (PLAIN, HIDDEN)

    def chosen(self, places: Sequence[int]) -> "Noise":
        return Noise([self.listed[at] for at in places])

    def masks(self) -> Iterator[Tensor]:
        for package in self.listed:
            yield self._mask(package)

    def __iter__(self) -> Iterator[Tensor]:
        for package in self.listed:
            x_CHW = np.random.default_rng(package.number).integers(90, 110, (3, SIDE_PX, SIDE_PX), dtype=np.uint8)
            plain = bool(package.defects) and package.defects[0].kind == PLAIN
            yield torch.from_numpy(np.where(plain & (self._mask(package).numpy() > 0), np.uint8(250), x_CHW))

    @staticmethod
    def _mask(package: Any) -> Tensor:
        mask_HW = torch.zeros(SIDE_PX, SIDE_PX, dtype=torch.uint8)
        if package.defects:
            top, left = np.random.default_rng([package.number, 1]).integers(0, SIDE_PX - 16, 2).tolist()
            mask_HW[top : top + 16, left : left + 16] = 1
        return mask_HW


def packages(kinds: Sequence[str], lots: int) -> Packages:
    """Return packages of these kinds, each in the next lot; an empty kind is a good package."""
    listed = [
        SimpleNamespace(
            number=at, lot=f"lot {at % lots}", masks={"64": ""}, defects=[SimpleNamespace(kind=kind)] if kind else []
        )
        for at, kind in enumerate(kinds)
    ]
    return cast("Packages", Noise(listed))


def test_a_kind_that_is_plain_needs_less_than_one_that_is_hidden() -> None:
    """A model knows the hidden ones that it was trained with, so this fails if it is tested with those."""
    needs = needs_of(packages([PLAIN, HIDDEN, "", ""] * 8, lots=8), DenseFeatures(), seed=1)
    assert needs[PLAIN] < 0.2
    assert needs[HIDDEN] > 0.6


@pytest.mark.parametrize(
    ("kinds", "lots"),
    [([PLAIN, HIDDEN, ""] * 4, 1), ([PLAIN, ""] * 6, 4), ([PLAIN, HIDDEN] * 4, 4), ([""] * 4, 4)],
    ids=["one lot", "one kind", "none without a defect", "no defect"],
)
def test_kinds_that_cannot_be_compared_need_the_same(kinds: list[str], lots: int) -> None:
    assert needs_of(packages(kinds, lots), DenseFeatures(), seed=1) == {PLAIN: 1.0, HIDDEN: 1.0}


def test_images_are_shared_out_by_need() -> None:
    order = by_need({"dent": 0.6**0.5, "scratch": 0.3**0.5, "stain": 0.1**0.5}, 100)
    assert Counter(order) == {"dent": 60, "scratch": 30, "stain": 10}
    for number in range(1, 100):
        begun = Counter(order[:number])
        assert all(abs(begun[kind] - number * share) <= 1 for kind, share in (("dent", 0.6), ("scratch", 0.3)))


def test_a_kind_without_need_gets_one_image_unless_no_kind_has_a_need() -> None:
    assert Counter(by_need({"dent": 0.6, "stain": 0.0}, 9)) == {"dent": 8, "stain": 1}
    assert Counter(by_need({"dent": 0.0, "stain": 0.0}, 8)) == {"dent": 4, "stain": 4}
    assert by_need({"stain": 0.1, "dent": 0.6}, 1) == ["dent"]
    assert by_need({"dent": 0.6}, 0) == []


def test_images_for_the_judge_are_made_by_need() -> None:
    asked = list[str]()

    def make(kind: str, *_: object) -> Any:
        asked.append(kind)
        return SimpleNamespace(pixels_HWC=kind, mask_HW=None)

    needs = {"dent": 0.9, "scratch": 0.3, "stain": 1.0}
    paints: Any = dict.fromkeys(("dent", "scratch"))
    images = list(made_images(cast("Pool", SimpleNamespace(make=make)), paints, needs, np.random.default_rng(1)))
    assert Counter(asked) == {"dent": 0.9 * MADE_IMAGES, "scratch": 0.1 * MADE_IMAGES}
    assert [pixels for pixels, _ in images] == asked


def test_places_are_measured_beside_the_smallest_defects_too() -> None:
    """Three defects of 1, 2 and 4 places. All but the smallest are found."""
    kinds = np.array(["dent", "stain", "stain", "", ""])
    touched, scores = np.zeros((5, 2, 4), bool), np.zeros((5, 2, 4), np.float32)
    for at, places in enumerate((1, 2, 4)):
        touched[at].flat[:places] = True
        scores[at].flat[:places] = float(at > 0)
    found = measured(scores, touched, kinds)
    assert found["smallest"] == pytest.approx(1 / 24)  # by chance: one of the places of three images
    assert found["f1"] == pytest.approx(2 * 6 / 7 / (1 + 6 / 7))
    assert found["places"] == pytest.approx(6 / 7 + 1 / 7 * 7 / 40)
    assert found["places stain"] == 1
    assert found["places dent"] == pytest.approx(1 / 24)
