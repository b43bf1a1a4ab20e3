"""Which kinds of defects are found badly, and how images are shared out among the kinds."""

from collections import Counter

import numpy as np
import pytest

from fabgan.components.defects.judging import measured
from fabgan.components.defects.shares import by_need


def test_images_are_shared_out_by_need() -> None:
    order = by_need({"dent": 0.6**0.5, "scratch": 0.3**0.5, "stain": 0.1**0.5}, 100)
    assert Counter(order) == {"dent": 60, "scratch": 30, "stain": 10}
    for number in range(1, 100):
        begun = Counter(order[:number])
        assert all(abs(begun[kind] - number * share) <= 1 for kind, share in (("dent", 0.6), ("scratch", 0.3)))


def test_a_kind_without_need_gets_no_image_unless_no_kind_has_one() -> None:
    assert set(by_need({"dent": 0.6, "stain": 0.0}, 9)) == {"dent"}
    assert Counter(by_need({"dent": 0.0, "stain": 0.0}, 8)) == {"dent": 4, "stain": 4}


def test_places_are_measured_by_kind_and_beside_the_smallest_defects() -> None:
    """Three defects of 1, 2 and 4 places. All but the smallest are found."""
    kinds = np.array(["dent", "stain", "stain", "", ""])
    touched, scores = np.zeros((5, 2, 4), bool), np.zeros((5, 2, 4), np.float32)
    for at, places in enumerate((1, 2, 4)):
        touched[at].flat[:places] = True
        scores[at].flat[:places] = float(at > 0)
    found = measured(scores, touched, kinds)
    assert found["places stain"] == 1
    assert found["places dent"] == pytest.approx(1 / 24)  # by chance: one of the places of three images
    assert found["smallest"] == found["places dent"]
    assert found["f1"] == pytest.approx(2 * 6 / 7 / (1 + 6 / 7))
    assert found["places"] == pytest.approx(6 / 7 + 1 / 7 * 7 / 40)
