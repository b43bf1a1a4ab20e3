"""The paper's table in small: what a run makes, running out of memory, and the table in the documentation."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from benchmarks.table_report import markdown
from tests.conftest import RENDERED, ROOT

pytestmark = pytest.mark.integration


def table(folder: Path, *options: str) -> list[dict[str, Any]]:
    source = folder / "rendered.yaml"
    source.write_text(yaml.safe_dump(RENDERED))
    command = [sys.executable, "-m", "benchmarks.table", f"--source={source}", f"--work={folder}", *options]
    small = ["--sizes=64", "--batch=4", "--generated=8", "--device=cpu"]
    done = subprocess.run([*command, *small], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_variants_learn_for_the_same_time_and_are_measured(tmp_path: Path) -> None:
    lines = table(tmp_path, "--variants", "gan", "seamless", "--seconds=2", "--seeds", "0", "1")
    assert [(line["variant"], line["seed"]) for line in lines] == [(v, s) for s in (0, 1) for v in ("gan", "seamless")]
    for line in lines:
        assert 0.5 < line["seconds"] < 8
        assert line["images"] >= 4
        assert line["frechet_random"] > 0
        assert line["peak_growth_mib"] > 10
        assert (tmp_path / "rendered" / "sheets" / f"{line['variant']}_64_{line['seed']}.png").is_file()
    shown = markdown(lines)
    assert "| rendered | 64 | gan | " in shown
    assert "between halves of the real images" in shown


def test_training_images_are_what_variants_are_held_against(tmp_path: Path) -> None:
    (line,) = table(tmp_path, "--variants", "training_images")
    assert 0 < line["frechet_random"] < 1
    assert line["novelty"] == 0
    assert "frechet_random_untrained" not in line
    assert 0.9 < line["ser1"] < 1.1
    assert "| rendered | 64 | training_images | " in markdown([line])


def test_a_variant_that_needs_more_memory_than_there_is_says_so(tmp_path: Path) -> None:
    lines = table(tmp_path, "--variants", "dcgan", "--seconds=1", "--memory-gib=0.05")
    assert [line["out_of_memory"] for line in lines] == [True]
    assert "| dcgan | out of memory |" in markdown(lines)


@pytest.mark.parametrize("data", ["rendered", "photographs"])
def test_documentation_shows_the_committed_results(data: str) -> None:
    text = (ROOT / "benchmarks" / "results" / f"table_{data}.jsonl").read_text()
    assert markdown([json.loads(line) for line in text.splitlines()]) in (ROOT / "docs" / "results.md").read_text()
