"""`train.start_from` as a person uses it: a registered version, a checkpoint, and what is neither."""

import subprocess
from pathlib import Path

import mlflow
import pytest

from fabgan.components.artifacts.generator import load_card
from fabgan.components.artifacts.packages import photographs
from fabgan.components.core.files import read_json, sha256_of_file, write_json
from fabgan.components.services.tracking.registry import Registry
from fabgan.components.train import step as train
from tests.conftest import rendered_packages
from tests.integration.test_train import command, parameters

pytestmark = pytest.mark.integration
BUDGET = {"variant": "seamless", "total_images": 16}


def trained(packages: Path, folder: Path, **changes: object) -> subprocess.CompletedProcess[str]:
    arguments = command(packages, folder, **BUDGET | changes)
    return subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)


def test_a_training_starts_from_a_registered_version_or_a_checkpoint(
    packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert trained(packages, tmp_path).returncode == 0
    (checkpoint,) = (tmp_path / "checkpoints").iterdir()
    first = load_card(tmp_path / "generator")
    assert first["start_sha256"] == ""
    monkeypatch.chdir(tmp_path)
    registry = Registry()
    registry.create_model("bga-generator")
    with mlflow.start_run():
        version = registry.register("bga-generator", tmp_path / "generator", {})

    longer = trained(packages, tmp_path, total_images=24)
    assert "train.start_from takes the weights of one of them" in longer.stderr
    for place, sha256 in (
        (version.uri, first["weights_sha256"]),
        (str(checkpoint), sha256_of_file(checkpoint / "checkpoint.safetensors")),
    ):
        done = trained(packages, tmp_path, total_images=24, start_from=place)
        assert done.returncode == 0, done.stderr
        assert "starting from" in done.stderr
        card = load_card(tmp_path / "generator")
        assert (card["start_sha256"], card["parameters"]["start_from"]) == (sha256, place)
    assert len(list((tmp_path / "checkpoints").iterdir())) == 4

    for place, words in (
        ("models:/bga-generator/7", "no such version or alias"),
        ("nowhere", "neither a generator (generator.json) nor a checkpoint (checkpoint.safetensors)"),
    ):
        refused = trained(packages, tmp_path, start_from=place)
        assert refused.returncode == 1
        assert words in refused.stderr.splitlines()[-1]
        assert "Traceback" not in refused.stderr


def seen_after(packages: Path, folder: Path, start: Path | None = None) -> set[str]:
    """Train on packages; return the photographs that the weights know."""
    paths = (folder / "checkpoints", folder / "generator", folder / "report")
    train.run(parameters(total_images=16), packages, *paths, lambda losses, images: None, start)
    return set(load_card(folder / "generator")["photographs_seen"])


def test_weights_that_know_held_out_photographs_are_warned_of_and_stay_known(
    packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    divided_anew = rendered_packages(tmp_path, seed=5)
    known, held_out = photographs(packages, 64, "train"), photographs(divided_anew, 64, "held_out")
    assert known & held_out
    first, second, third = tmp_path / "first", tmp_path / "second", tmp_path / "third"
    assert seen_after(packages, first) == known
    (checkpoint,) = (first / "checkpoints").iterdir()
    for place in (first / "generator", checkpoint):
        assert seen_after(packages, second, place) == known
    assert "held out now" not in capsys.readouterr().err

    for place in (first / "generator", checkpoint):
        assert seen_after(divided_anew, second, place) == known | photographs(divided_anew, 64, "train")
        words = f"{len(known & held_out)} of the {len(held_out)} photographs that are held out now"
        assert words in capsys.readouterr().err
    newest = max((second / "checkpoints").iterdir(), key=lambda folder: folder.stat().st_mtime)
    for place in (second / "generator", newest):
        assert seen_after(divided_anew, third, place) >= known


def test_weights_of_which_nobody_knows_what_they_have_seen_are_warned_of(
    packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen_after(packages, tmp_path / "first")
    card = tmp_path / "first" / "generator" / "generator.json"
    write_json(card, {name: value for name, value in read_json(card).items() if name != "photographs_seen"})
    paths = (tmp_path / "checkpoints", tmp_path / "generator", tmp_path / "report")
    train.run(parameters(total_images=16), packages, *paths, lambda losses, images: None, card.parent)
    assert "it is not known which photographs these weights were trained with" in capsys.readouterr().err
    assert load_card(tmp_path / "generator")["photographs_seen"] is None
