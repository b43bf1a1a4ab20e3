"""The pages that Kubeflow's UI shows: everything is in them, and what came of a run is not executed."""

import csv
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fabgan.components.artifacts.verdict import Verdict, write_verdict
from fabgan.pipeline.pod.page import write_page
from fabgan.pipeline.pod.sweeping import write_table


@pytest.fixture
def reports(tmp_path: Path) -> tuple[Path, Path]:
    """Report folders as train and evaluate leave them."""
    training, evaluation = tmp_path / "training", tmp_path / "evaluation"
    (training / "samples").mkdir(parents=True)
    evaluation.mkdir()
    for name in ("000000010", "000000020", "000000030", "000000040", "000000050"):
        Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(training / "samples" / f"{name}.png")
    Image.fromarray(np.zeros((2000, 4000, 3), np.uint8)).save(evaluation / "samples_beside_real.png")
    with (training / "losses.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["images", "D", "G"], [10, 1.0, 2.0], [20, 0.5, 2.5]])
    verdict = Verdict(False, ["ser1 <b>2</b> is outside"], "a" * 64, "b" * 64, 8, 16, 1, {"frechet_random": 0.25})
    write_verdict(evaluation, verdict)
    return training, evaluation


def test_a_page_holds_verdict_measures_curves_and_pictures_itself(reports: tuple[Path, Path], tmp_path: Path) -> None:
    write_page(tmp_path / "page", *reports)
    text = (tmp_path / "page").read_text()
    assert '<span class="failed">failed</span>' in text
    assert "<td>frechet_random</td><td>0.25</td>" in text
    assert text.count("data:image/") == 5  # the sheet, the losses, and three of the five sample grids
    assert "000000010" in text
    assert "000000020" not in text
    assert "http" not in text.replace("http-equiv", "")
    assert "<script" not in text
    assert len(text) < 400_000


def test_a_page_shows_what_it_is_told_as_text(reports: tuple[Path, Path], tmp_path: Path) -> None:
    write_page(tmp_path / "page", *reports)
    assert "ser1 &lt;b&gt;2&lt;/b&gt; is outside" in (tmp_path / "page").read_text()


def test_a_sweep_is_a_table_of_means_best_first(tmp_path: Path) -> None:
    measures = {
        "frechet_random_floor": 0.1,
        "frechet_random_patches": 1.0,
        "diversity": 1.0,
        "diversity_nearest": 1.0,
        "novelty": 1.0,
        "ser1": 1.0,
        "ser2": 1.0,
    }
    rows = [
        {"variant": variant, "image_size_px": 128.0, "seed": seed, "frechet_random": value, "passed": 1.0} | measures
        for variant, seed, value in [("paper", 1, 3.0), ("seamless", 1, 0.25), ("seamless", 2, 0.75), ("paper", 2, 5.0)]
    ]
    write_table(tmp_path / "page", rows)
    text = (tmp_path / "page").read_text()
    seamless, paper = (
        re.sub(r"\s", "", text).index(f"<td>{name}</td><td>2</td><td>{mean}</td>")
        for name, mean in (("seamless", "0.5"), ("paper", "4"))
    )
    assert seamless < paper
    assert "<td>0.25</td><td>0.75</td>" in text
