"""Generators in a real MLflow registry: once each, measured on the same images, and the best one is champion."""

import re
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

import tests.fab
from fabgan.components.artifacts.packages import photographs
from fabgan.components.core.files import read_json, sha256_of_file, write_json
from fabgan.components.core.parameters import parse
from fabgan.components.crop_resize import step as crop_resize
from fabgan.components.crop_resize.parameters import CropResizeParameters
from fabgan.components.measures.real import Real
from tests.conftest import section
from tests.fab import Fab, measured_once

pytestmark = pytest.mark.integration


def test_first_generator_that_is_not_refused_is_champion_and_the_same_one_makes_no_second_version(fab: Fab) -> None:
    assert fab.train_and_publish() == {"version": 1, "is_champion": 1, "is_new": 1}
    assert fab.aliases() == {"candidate": 1, "champion": 1}
    assert fab.train_and_publish() == {"version": 1, "is_champion": 1, "is_new": 0}
    assert fab.versions == 1
    tags, verdict = fab.tags(1), read_json(fab.folder / "evaluation" / "verdict.json")
    assert tags["verdict"] == verdict["outcome"] == "exportable"
    assert tags["held_out_sha256"] == verdict["held_out_sha256"]
    assert {"git_commit", "data_sha256", "parameters_sha256", "weights_sha256"} <= tags.keys()
    assert {check["name"] for check in verdict["checks"]} <= tags.keys()
    receipt = read_json(fab.folder / "receipt.json")
    assert (receipt["model"], receipt["verdict"]) == ("models:/bga-generator/1", "exportable")
    assert receipt["aliases"] == ["candidate", "champion"]


def test_a_generator_for_use_inside_the_fab_is_candidate_and_champion_too(fab: Fab) -> None:
    assert fab.train_and_publish(evaluate={"max_membership": 1e-6})["is_champion"] == 1
    assert fab.aliases() == {"candidate": 1, "champion": 1}
    assert fab.tags(1)["verdict"] == "candidate"
    assert fab.tags(1)["verdict_reasons"].startswith("membership_auc ")


@pytest.mark.parametrize(
    ("asked", "missed"),
    [
        ({"max_distance": 0.0}, ["kernel_distance", "kernel_distance_patches"]),
        ({"min_share": 100.0}, ["precision", "coverage"]),
        ({"max_two_sample": 0.0}, ["two_sample_auc"]),
    ],
)
def test_a_refused_generator_is_registered_without_an_alias(
    fab: Fab, asked: dict[str, float], missed: list[str]
) -> None:
    assert fab.train_and_publish(evaluate=asked) == {"version": 1, "is_champion": 0, "is_new": 1}
    assert fab.aliases() == {}
    tags, receipt = fab.tags(1), read_json(fab.folder / "receipt.json")
    assert tags["verdict"] == receipt["verdict"] == "refused"
    assert all(f"{name} " in tags["verdict_reasons"] for name in missed)
    assert receipt["aliases"] == []
    assert receipt["champion_decision"] == f"the verdict is refused: {tags['verdict_reasons']}"


def test_a_champion_that_is_refused_later_loses_its_aliases(fab: Fab) -> None:
    fab.train_and_publish()
    metrics = fab.train_and_publish(evaluate={"max_distance": 0.0})
    assert metrics == {"version": 1, "is_champion": 0, "is_new": 0}
    assert fab.aliases() == {}
    assert fab.tags(1)["verdict"] == "refused"


FIRST = {"variant": "seamless"}
BETTER = FIRST | {"total_images": 960, "checkpoint_images": 960}
MANY = {"generated_images": 48}
"""More than there are real images, so that measures differ from subset to subset."""
COMPARED = re.compile(
    r"kernel_distance is (\S+), and (\S+) for version (\d+), on the same images; chance explains (\S+) \(95%\)"
)


def compared(reason: str) -> tuple[float, float, int, float]:
    """Return what a decision says: the distance, that of the champion, the champion, and what chance explains."""
    match = COMPARED.fullmatch(reason)
    assert match, reason
    ours, theirs, champion, margin = match.groups()
    return float(ours), float(theirs), int(champion), float(margin)


def test_champion_is_the_one_that_is_closer_to_the_same_held_out_images_by_more_than_chance(fab: Fab) -> None:
    fab.train_and_publish(train=FIRST, evaluate=MANY)
    assert fab.train_and_publish(train=BETTER, evaluate=MANY) == {"version": 2, "is_champion": 1, "is_new": 1}
    ours, theirs, champion, margin = compared(fab.tags(2)["champion_decision"])
    assert (champion, margin > 0, ours + margin < theirs) == (1, True, True)
    page = (fab.folder / "page.html").read_text(encoding="utf-8")
    assert "The champion was models:/bga-generator/1." in page
    for name in ("kernel_distance", "ser1"):
        assert f'data-label="Champion">{float(fab.tags(1)[name]):.4g}</td>' in page
    third = fab.train_and_publish(train=FIRST | {"total_images": 192}, evaluate=MANY)
    assert third == {"version": 3, "is_champion": 0, "is_new": 1}
    assert fab.aliases() == {"candidate": 3, "champion": 2}
    ours, theirs, champion, margin = compared(fab.tags(3)["champion_decision"])
    assert (champion, ours + margin < theirs) == (2, False)


def test_a_champion_that_was_measured_otherwise_is_measured_anew_beside_the_same_real_images(
    fab: Fab, monkeypatch: pytest.MonkeyPatch
) -> None:
    fab.train_and_publish()
    before = f"{float(fab.tags(1)['kernel_distance']):.4g}"
    real = list[Real]()

    def kept(*given: Any) -> Real:
        real.append(measured_once(*given))
        return real[-1]

    fab.train_and_evaluate(train={"total_images": 192}, evaluate={"seed": 3})
    monkeypatch.setattr(tests.fab, "measured_once", kept)
    assert fab.try_to_publish()[0] == 0
    assert len(real) == 1
    _, theirs, champion, _ = compared(fab.tags(2)["champion_decision"])
    assert (champion, theirs == float(before)) == (1, False)
    assert fab.train_and_publish(evaluate={"seed": 3})["version"] == 1
    assert theirs == float(f"{float(fab.tags(1)['kernel_distance']):.4g}")


@pytest.mark.parametrize(
    ("seen", "reason"),
    [
        (2, "was trained with 2 of the held-out photographs"),
        (None, "does not say which photographs it was trained with, so that it may know held-out ones"),
    ],
)
def test_a_champion_that_knows_held_out_photographs_or_may_know_some_is_replaced(
    seen: int | None, reason: str, fab: Fab
) -> None:
    """The photographs were divided anew, so that what is measured of it is too good."""
    fab.train_and_publish()
    card = next(fab.folder.glob("mlruns/**/generator.json"))
    held_out = sorted(photographs(fab.packages, 64, "held_out"))
    write_json(card, read_json(card) | {"photographs_seen": None if seen is None else held_out[:seen]})
    metrics = fab.train_and_publish(train={"total_images": 192}, evaluate={"seed": 2})
    assert metrics == {"version": 2, "is_champion": 1, "is_new": 1}
    assert fab.tags(2)["champion_decision"] == f"version 1 {reason}"


def test_a_champion_of_another_size_is_left_to_the_people(fab: Fab, tmp_path: Path) -> None:
    fab.train_and_publish()
    larger = section("crop_resize", sizes_px=[128])
    frames = fab.packages.parent / "frames"
    crop_resize.run(parse(CropResizeParameters, larger, "tests"), frames, tmp_path / "larger")
    fab.packages = tmp_path / "larger"
    train = {"image_size_px": 128, "total_images": 16, "variant": "seamless"}
    assert fab.train_and_publish(crop_resize=larger, train=train) == {"version": 2, "is_champion": 0, "is_new": 1}
    assert fab.tags(2)["champion_decision"].startswith(
        "version 1 makes images of 64 px in colour, this one 128 px in colour"
    )


def test_a_champion_of_another_versions_networks_is_left_to_the_people(fab: Fab) -> None:
    """After an upgrade the champion may not be readable: what was trained since is a candidate, not lost."""
    fab.train_and_publish()
    registered = next(path.parent for path in fab.folder.glob("mlruns/**/generator.safetensors"))
    weights, card = registered / "generator.safetensors", registered / "generator.json"
    save_file(dict(list(load_file(weights).items())[1:]), weights)
    write_json(card, read_json(card) | {"weights_sha256": sha256_of_file(weights)})
    measured_otherwise = {"seed": 2}
    metrics = fab.train_and_publish(train={"total_images": 192}, evaluate=measured_otherwise)
    assert metrics == {"version": 2, "is_champion": 0, "is_new": 1}
    assert fab.aliases() == {"candidate": 2, "champion": 1}
    assert fab.tags(2)["champion_decision"] == (
        "models:/bga-generator/1/generator.safetensors: this version of fabgan does not build these networks; use the "
        "version that wrote them; or choose between version 1 and this one yourself"
    )


def test_a_pipeline_is_one_run_with_its_steps_inside(fab: Fab) -> None:
    fab.train_and_publish()
    experiment = fab.client.get_experiment_by_name("fabgan")
    assert experiment is not None
    runs = {run.info.run_name: run for run in fab.client.search_runs([experiment.experiment_id])}
    parents = [run for run in runs.values() if "fabgan.pipeline" in run.data.tags]
    assert len(parents) == 1
    steps = [run for run in runs.values() if run.data.tags.get("mlflow.parentRunId") == parents[0].info.run_id]
    assert {run.info.run_name for run in steps} == {"train", "evaluate", "publish"}
    assert parents[0].data.params["train.batch_size"] == "8"
    assert "evaluate.kernel_distance" in parents[0].data.metrics
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    losses = fab.client.get_metric_history(runs["train"].info.run_id, "D")
    assert [point.step for point in losses] == [8, 16, 24, 32, 40, 48, 56, 64]
    assert runs["train"].inputs.dataset_inputs[0].dataset.name == "packages"
    assert any(item.path == "report" for item in fab.client.list_artifacts(runs["train"].info.run_id))
