"""How runs are called in Kubeflow's lists, and which line of a log tells a failure."""

from datetime import date
from typing import Any

import pytest

from fabgan.pipeline.commands.failure import last_error
from fabgan.pipeline.commands.naming import run_name, version_name
from tests.conftest import VERSION

TRAINING: dict[str, Any] = {"data_version": "", "image_size_px": 512, "variant": "paper", "seed": 3}


@pytest.mark.parametrize(
    ("source", "version", "name"),
    [
        ("data/rendered.yaml", "", "rendered, 512 px, paper, seed 3"),
        ("s3://fabgan-data/lots/2026-10", "", "2026-10, 512 px, paper, seed 3"),
        ("s3://photographs", "", "photographs, 512 px, paper, seed 3"),
        ("git+https://git.fab.local/vision/bga.git#data/lots", "v2", "lots v2, 512 px, paper, seed 3"),
        ("git+https://git.fab.local/vision/bga.git", "v2", "bga v2, 512 px, paper, seed 3"),
    ],
)
def test_a_training_is_named_by_data_size_variant_and_seed(source: str, version: str, name: str) -> None:
    assert run_name("training", TRAINING | {"data_source": source, "data_version": version}) == name


def test_sweeps_and_sets_of_images_are_named_by_what_they_make() -> None:
    sweep = {"data_source": "s3://a/b", "data_version": "", "image_sizes_px": [128, 256], "seeds": [1, 2, 3]}
    assert run_name("sweep", sweep | {"variants": ["seamless"]}) == "b, 128+256 px, seamless, 3 seed(s)"
    defects = {"data_source": "s3://a/b", "data_version": "v2", "image_size_px": 512, "seed": 3}
    assert run_name("defects", defects) == "defects of b v2, 512 px, seed 3"
    images = {"count": 500, "model": "models:/bga-generator@champion", "seed": 1}
    assert run_name("augmentation", images) == "500 images of bga-generator@champion, seed 1"


def test_a_version_is_named_by_release_day_and_content() -> None:
    assert version_name("0123456789abcdef", date(2026, 11, 28)) == f"{VERSION}+2026-11-28.01234567"


@pytest.mark.parametrize(
    ("log", "line"),
    [
        ("a\nfabgan: error: first\nfabgan: error: last\nTraceback\n", "fabgan: error: last"),
        ("a\nKilled\nF1127 10:00:00 main.go:1] failed\n", "Killed"),
        ("I1127 only the launcher\n", "I1127 only the launcher"),
        ("\n\n", ""),
    ],
)
def test_the_last_error_of_a_log_is_ours_or_its_last_line(log: str, line: str) -> None:
    assert last_error(log) == line
