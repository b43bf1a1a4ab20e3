"""Charts of a report: bars, heat maps, curves and the table of a sweep."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from fabgan.components.artifacts.pages.charts import BAR_WIDTH, CURVE_POINTS, bar_of, curves_of, heat_map
from fabgan.components.core.errors import UserError
from fabgan.pipeline.pod.sweeping import MEASURES, write_table
from tests.unit.test_page import CHECK, words, write_losses

NUMBERS = st.floats(-1e3, 1e3).map(lambda number: round(number, 3))


@given(value=NUMBERS, floor=NUMBERS, limit=NUMBERS, deviation=st.floats(0, 10))
def test_a_bar_shows_numbers_in_their_order(value: float, floor: float, limit: float, deviation: float) -> None:
    bar = bar_of(replace(CHECK, value=value, floor=floor, at_most=limit, deviation=deviation))
    assert bar is not None
    assert bar.floor is not None
    places = {value: bar.value, floor: bar.floor, limit: bar.allowed_to}
    assert [places[number] for number in sorted(places)] == sorted(places.values())
    assert 0 < bar.low <= bar.value <= bar.high < BAR_WIDTH
    assert bar.allowed_from == 0


def test_a_bar_needs_something_to_compare() -> None:
    assert bar_of(replace(CHECK, value=None)) is None
    assert bar_of(replace(CHECK, floor=None, at_most=None)) is None
    bar = bar_of(replace(CHECK, at_most=None))
    assert bar is not None
    assert (bar.allowed_from, bar.allowed_to) == (0, BAR_WIDTH)


def test_a_heat_map_is_brighter_where_pixels_differ_more() -> None:
    drawn = heat_map(torch.tensor([[0.1, 0.5, 0.7, 1.0, 1.5, 2.0, 9.0]]), "seams")
    image = Image.open(io.BytesIO(drawn.picture.content))
    grey = np.array(image.convert("L"))[0].tolist()
    assert grey == sorted(grey)
    assert grey[:2] == [grey[0]] * 2
    assert image.getpixel((3, 0)) == (124, 123, 120)
    assert drawn.lowest == pytest.approx(0.1)
    assert drawn.highest == 9


def test_curves_of_a_long_training_are_averaged_and_undefined_losses_left_out(tmp_path: Path) -> None:
    rows = [[image, image % 2, float("nan")] for image in range(4 * CURVE_POINTS)]
    write_losses(tmp_path / "losses.csv", rows)
    (curve,) = curves_of(tmp_path / "losses.csv")
    assert curve.name == "D"
    assert len(curve.points.split()) == CURVE_POINTS
    assert (curve.lowest, curve.highest, curve.last, curve.images) == (0.5, 0.5, 0.5, 4 * CURVE_POINTS - 1)
    write_losses(tmp_path / "losses.csv", [])
    assert curves_of(tmp_path / "losses.csv") == []


def test_a_sweep_is_a_table_of_means_best_first(tmp_path: Path) -> None:
    others = dict.fromkeys(MEASURES[1:], 1.0)
    rows = [
        {"variant": variant, "image_size_px": 128.0, "seed": seed, MEASURES[0]: value} | others
        for variant, seed, value in [("paper", 1, 3.0), ("seamless", 1, 0.25), ("seamless", 2, 0.75), ("paper", 2, 5.0)]
    ]
    write_table(tmp_path / "page", rows)
    said = words((tmp_path / "page").read_text())
    assert said.index("128 seamless 2 0.5 ") < said.index("128 paper 2 4 ")
    assert "1 0.25 0.75" in said


def test_a_measure_that_could_not_be_computed_loses_no_other_row(tmp_path: Path) -> None:
    row = dict.fromkeys(MEASURES, 0.5) | {"image_size_px": 64.0}
    without = {name: value for name, value in row.items() if name != MEASURES[0]}
    write_table(tmp_path / "page", [without | {"variant": "paper"}, row | {"variant": "seamless"}])
    said = words((tmp_path / "page").read_text())
    assert said.index("64 seamless 1 0.5 ") < said.index("64 paper 1 none 0.5 ")


@pytest.mark.parametrize(
    "content", ["", "images,D\n8,none\n", "images,D\n8,1,2\n", "images,D\n8,1\n16\n", "images,D\n8,\udcff\n"]
)
def test_losses_that_train_did_not_write_are_refused_by_the_name_of_their_file(content: str, tmp_path: Path) -> None:
    path = tmp_path / "losses.csv"
    path.write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=rf"^{path}: not the losses that train writes \(.+\); run train again$"):
        curves_of(path)
