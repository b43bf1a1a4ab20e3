"""What a data set of images with defects is asked for."""

from pathlib import Path
from typing import Any

import pytest

from fabgan.components.core.errors import UserError
from fabgan.components.defects.dataset import DefectDataset


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"length": -1}, "length: expected a positive int, got -1"),
        ({"length": 2.5}, "length: expected a positive int, got 2.5"),
        ({"defects_per_image": 0}, "defects_per_image: expected a positive int, got 0"),
        ({"seed": -1}, "seed: expected an int of 0 or more, got -1"),
        ({"kinds": "scratch"}, r"kinds: expected a list of names, such as \['scratch'\]"),
    ],
)
def test_a_data_set_of_impossible_numbers_is_refused(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UserError, match=f"fabgan.DefectDataset: {words}"):
        DefectDataset(Path("nowhere"), 64, **{"length": 4} | options)
