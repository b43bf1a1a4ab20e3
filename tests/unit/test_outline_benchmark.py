"""The benchmark of outlines: what it counts."""

import json

import numpy as np
import pytest

from benchmarks.outline import Score, lost_share
from benchmarks.photographs import CHIPS_ON_BOARDS
from benchmarks.scenes import scenes
from tests.drawn_packages import GREEN, WHITE, draw, rectangle

SQUARE = ((0.0, 0.0), (100.0, 0.0), (100.0, 100.0), (0.0, 100.0))


@pytest.mark.parametrize(("shift", "lost"), [(-5.0, 0.0), (2.0, 0.02), (50.0, 0.5), (200.0, 1.0)])
def test_lost_share_is_what_the_crop_leaves_out(shift: float, lost: float) -> None:
    crop = ((shift, -10.0), (150.0 + shift, -10.0), (150.0 + shift, 110.0), (shift, 110.0))
    assert lost_share(SQUARE, crop) == pytest.approx(lost, abs=1e-6)


def test_crop_of_something_else_is_a_wrong_acceptance() -> None:
    true, elsewhere = rectangle((320, 240), 240, 200, 9), rectangle((320, 240), 240, 120, 9)
    score, image = Score(), draw(true, body=GREEN, ground=WHITE)
    score.judge("right", image, true)
    score.judge("half of it", image, elsewhere)
    score.judge("no whole package", image, None)
    assert score.wrongly_accepted == ["half of it", "no whole package"]
    assert score.figures()["min_iou"] == pytest.approx(0.6, abs=0.02)


def test_refusal_is_wrong_only_where_a_package_must_be_found() -> None:
    score, empty = Score(), draw(ground=WHITE)
    score.judge("missed", empty, rectangle((320, 240), 240, 200, 9))
    score.judge("covered", empty, rectangle((320, 240), 240, 200, 9), must_find=False)
    score.judge("empty", empty, None)
    assert score.wrongly_refused == ["missed"]
    assert len(score.reasons) == 3


def test_scenes_repeat_and_show_their_package_inside_the_frame() -> None:
    first, again = (next(iter(scenes(1))) for _ in range(2))
    np.testing.assert_array_equal(first.image, again.image)
    assert first.outline_px is not None
    assert (first.outline_px > 0).all()
    assert (first.outline_px < first.image.shape[1::-1]).all()


def test_every_annotated_board_has_four_corners_in_its_window_or_a_reason() -> None:
    for entry in json.loads(CHIPS_ON_BOARDS.read_text(encoding="utf-8"))["photographs"]:
        if "why" in entry:
            continue
        left, top, right, bottom = entry["window_px"]
        assert len(entry["corners_px"]) == 4
        assert all(left < x < right and top < y < bottom for x, y in entry["corners_px"])
