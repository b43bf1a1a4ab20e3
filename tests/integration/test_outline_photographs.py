"""Real photographs of a moulded package: how well its outline is found, and what is refused.

FABGAN_REAL_DATA names a folder that holds `dip_package`: `images/` and `annotations.csv`.
"""

import os
from pathlib import Path

import numpy as np
import pytest

from benchmarks.outline import Score, score_photographs
from benchmarks.photographs import dual_in_line, wholly_inside

pytestmark = pytest.mark.integration

FRAME_SHAPE = (640, 640)


@pytest.fixture(scope="module")
def folder() -> Path:
    data = os.environ.get("FABGAN_REAL_DATA")
    if not data:
        pytest.skip("FABGAN_REAL_DATA is not set: the real photographs are not part of the project")
    return Path(data) / "dip_package"


@pytest.fixture(scope="module")
def score(folder: Path) -> Score:
    return score_photographs(dual_in_line(folder))


def test_outlines_agree_with_the_annotated_ones(score: Score) -> None:
    assert len(score.ious) > 80
    assert np.mean(score.ious) >= 0.96
    assert min(score.ious) >= 0.88
    assert max(score.lost_shares) <= 0.005
    assert not score.wrongly_accepted


def test_every_scratch_lies_inside_its_crop(score: Score) -> None:
    assert score.scratches > 150
    assert score.scratches_inside == score.scratches


def test_packages_cut_by_the_frame_are_refused_and_no_others(score: Score, folder: Path) -> None:
    cut = {
        photo.path.name
        for photo in dual_in_line(folder)
        if any(not wholly_inside(outline, FRAME_SHAPE) for outline in photo.outlines)
    }
    assert cut
    assert set(score.reasons) == cut
    assert all("cut by the frame's bottom border" in reason for reason in score.reasons.values())
