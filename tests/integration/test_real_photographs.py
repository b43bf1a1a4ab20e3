"""The five steps and augment from end to end on real photographs."""

import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from benchmarks.ladder import untrained_generator
from fabgan.components.artifacts.generator import load_card, load_generator
from fabgan.components.artifacts.manifest import PackageManifest, read_manifest
from fabgan.components.core.files import read_json
from fabgan.components.core.parameters import parse
from fabgan.components.measures.evaluation import evaluation_of
from fabgan.components.measures.parameters import EvaluateParameters
from tests.conftest import PARAMETERS, ROOT, section, write_params

pytestmark = pytest.mark.integration
STEPS = {
    "ingest": ["--output=frames"],
    "crop_resize": ["--frames=frames", "--output=packages"],
    "train": ["--packages=packages", "--checkpoints=checkpoints", "--generator=generator", "--report=training"],
    "evaluate": ["--packages=packages", "--generator=generator", "--training=training", "--report=evaluation"],
    "publish": [
        "--packages=packages",
        "--generator=generator",
        "--evaluation=evaluation",
        "--receipt=receipt.json",
        "--page=page.html",
    ],
}


def fabgan(folder: Path, *arguments: str) -> None:
    command = [sys.executable, "-m", "fabgan", *arguments]
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_real_photographs_become_a_registered_generator(real_photographs: Path, tmp_path: Path) -> None:
    sections = PARAMETERS | {
        "ingest": section("ingest", source=str(real_photographs), lot_pattern=r"(frame_\d+)"),
        "train": section("train", variant="seamless", total_images=960, checkpoint_images=960),
    }
    write_params(tmp_path, sections)
    for step, paths in STEPS.items():
        fabgan(tmp_path, step, f"--metrics=metrics/{step}.json", *paths)
    fabgan(tmp_path, "augment", "--model=models:/bga-generator@champion", "--count=4", "--out=images")

    metrics = {step: read_json(tmp_path / "metrics" / f"{step}.json") for step in STEPS}
    assert metrics["ingest"]["images"] == 202
    assert metrics["crop_resize"]["quarantined"] == 13
    assert metrics["publish"] == {"version": 1, "is_champion": 1, "is_new": 1}
    assert metrics["evaluate"]["kernel_distance"] < distance_before_training(tmp_path)
    assert len(list((tmp_path / "images").glob("*.png"))) == 4
    check_lots(tmp_path / "packages")


def distance_before_training(folder: Path) -> float:
    """Return the distance of the same generator with the weights that training starts from."""
    trained, card = load_generator(folder / "generator"), load_card(folder / "generator")
    params = parse(EvaluateParameters, section("evaluate"), "tests")
    untrained = untrained_generator(trained, params.seed)
    return evaluation_of(untrained, card, folder / "packages", params, "tests").verdict.metrics["kernel_distance"]


def check_lots(packages: Path) -> None:
    """Copies of one photograph (`frame_0024_jpg.rf.*`) never lie in both splits."""
    manifest = read_manifest(packages, PackageManifest)
    splits = defaultdict(set)
    for package in manifest.images:
        splits[package.lot].add(package.split)
    assert all(len(found) == 1 for found in splits.values())
    assert all("cut by the frame" in item.reason for item in manifest.quarantined)
