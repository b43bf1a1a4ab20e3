"""The places that an inspection model is trained with depend on the images and the seed alone."""

import numpy as np
import pytest
import torch

from fabgan.components.measures import extractors, inspection
from fabgan.components.measures.inspection import DenseFeatures, Image, classical

SIDE = 64


def images(count: int) -> list[Image]:
    random = np.random.default_rng(1)
    mask_HW = np.zeros((SIDE, SIDE), np.uint8)
    mask_HW[8:24, 8:24] = 1
    return [(random.integers(0, 256, (SIDE, SIDE, 3), np.uint8), mask_HW) for _ in range(count)]


def test_places_are_the_same_on_any_number_of_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "KEPT_PLACES", 10)
    dense, found, before = DenseFeatures(), [], torch.get_num_threads()
    try:
        for cores in (1, 2, 4):
            torch.set_num_threads(cores)
            random = np.random.default_rng(7)
            found.append(dense.places(classical(images(3), 4, random), random))
    finally:
        torch.set_num_threads(before)
    assert found[0].features_PF.shape[0] == int(found[0].defect_P.sum()) + 12 * 10
    for other in found[1:]:
        assert torch.equal(other.features_PF, found[0].features_PF)
        assert torch.equal(other.defect_P, found[0].defect_P)


def test_all_is_computed_on_the_device_of_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """The device `meta` computes shapes alone, so that only the way back from it fails."""
    monkeypatch.setattr(extractors, "_device", lambda: torch.device("meta"))
    with pytest.raises(NotImplementedError, match="Cannot copy out of meta tensor"):
        DenseFeatures().features(images(1)[0][0])
