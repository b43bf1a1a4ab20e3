"""Generators in a real MLflow registry: once each, measured on the same images, pulled on another machine."""

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from math import nan
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient
from safetensors.torch import load_file, save_file

from fabgan.cli import main
from fabgan.components.core.files import read_json, sha256_of_file, write_json
from fabgan.components.core.parameters import parse
from fabgan.components.crop_resize import step as crop_resize
from fabgan.components.crop_resize.parameters import CropResizeParameters
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.parameters import IngestParameters
from tests.conftest import PARAMETERS, ROOT, section, write_params
from tests.servers.mlflow_server import free_port, running_mlflow

pytestmark = pytest.mark.integration


class Fab:
    """A folder where steps are run, by the function behind the command."""

    def __init__(self, folder: Path, packages: Path, tracking_uri: str | None) -> None:
        self.folder, self.packages = folder, packages
        self.uri = tracking_uri or f"sqlite:///{folder / 'mlflow.db'}"
        folder.mkdir(exist_ok=True)

    @property
    def client(self) -> MlflowClient:
        return MlflowClient(self.uri)

    def fabgan(self, *arguments: object) -> tuple[int, str]:
        """Return the exit status and what was said on standard error."""
        said = io.StringIO()
        with contextlib.chdir(self.folder), contextlib.redirect_stderr(said), pytest.MonkeyPatch.context() as patch:
            patch.setenv("MLFLOW_TRACKING_URI", self.uri)
            status = main([str(argument) for argument in arguments])
        return status, said.getvalue()

    def train_and_evaluate(self, **changes: Mapping[str, object]) -> None:
        """Train and evaluate with changed sections."""
        write_params(self.folder, PARAMETERS | {step: section(step, **values) for step, values in changes.items()})
        given = [f"--packages={self.packages}", "--generator=generator"]
        options = {
            "train": ["--checkpoints=checkpoints", "--report=report"],
            "evaluate": ["--training=report", "--report=evaluation"],
        }
        for step, paths in options.items():
            status, said = self.fabgan(step, *given, *paths, f"--metrics={step}.json")
            assert status == 0, said

    def try_to_publish(self) -> tuple[int, str]:
        """Publish; return the exit status and what was said on standard error."""
        given = [f"--packages={self.packages}", "--generator=generator", "--metrics=publish.json"]
        return self.fabgan("publish", *given, "--evaluation=evaluation", "--receipt=receipt.json")

    def train_and_publish(self, **changes: Mapping[str, object]) -> dict[str, float]:
        """Train, evaluate and publish with changed sections; return the metrics of publish."""
        self.train_and_evaluate(**changes)
        status, said = self.try_to_publish()
        assert status == 0, said
        metrics: dict[str, float] = read_json(self.folder / "publish.json")
        return metrics

    def tags(self, number: int) -> dict[str, str]:
        return dict(self.client.get_model_version("bga-generator", str(number)).tags)

    def aliases(self) -> dict[str, int]:
        """Return the number of the version that has each alias."""
        aliases = self.client.get_registered_model("bga-generator").aliases
        return {alias: int(number) for alias, number in aliases.items()}

    @property
    def versions(self) -> int:
        return len(self.client.search_model_versions("name = 'bga-generator'"))


def images_in(folder: Path) -> dict[str, str]:
    return {path.name: sha256_of_file(path) for path in folder.glob("*.png")}


@pytest.fixture
def fab(tmp_path: Path, packages: Path) -> Fab:
    return Fab(tmp_path / "fab", packages, tracking_uri=None)


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
        ({"min_ser": 900.0}, ["ser1", "ser2"]),
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
    third = fab.train_and_publish(train=FIRST | {"total_images": 192}, evaluate=MANY)
    assert third == {"version": 3, "is_champion": 0, "is_new": 1}
    assert fab.aliases() == {"candidate": 3, "champion": 2}
    ours, theirs, champion, margin = compared(fab.tags(3)["champion_decision"])
    assert (champion, ours + margin < theirs) == (2, False)


def test_a_champion_that_was_measured_otherwise_is_measured_anew(fab: Fab) -> None:
    fab.train_and_publish()
    before = f"{float(fab.tags(1)['kernel_distance']):.4g}"
    fab.train_and_publish(train={"total_images": 192}, evaluate={"seed": 2})
    _, theirs, champion, _ = compared(fab.tags(2)["champion_decision"])
    assert (champion, theirs == float(before)) == (1, False)
    assert fab.train_and_publish(evaluate={"seed": 2})["version"] == 1
    assert theirs == float(f"{float(fab.tags(1)['kernel_distance']):.4g}")


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
    assert fab.tags(2)["champion_decision"].startswith(
        "version 1 has networks that this version of fabgan does not build"
    )


@pytest.fixture(scope="module")
def refused_once(tmp_path_factory: pytest.TempPathFactory, packages: Path) -> Path:
    """A folder with a generator that evaluate has refused. Not to be changed."""
    fab = Fab(tmp_path_factory.mktemp("refused") / "fab", packages, tracking_uri=None)
    fab.train_and_evaluate(evaluate={"max_distance": 0.0})
    return fab.folder


@pytest.fixture
def refused(refused_once: Path, fab: Fab) -> Fab:
    """A copy of that folder, with a registry of its own."""
    without_registry = shutil.ignore_patterns("mlflow.db*", "mlruns")
    shutil.copytree(refused_once, fab.folder, ignore=without_registry, dirs_exist_ok=True)
    return fab


def say_exportable(verdict: dict[str, Any]) -> None:
    verdict |= {"outcome": "exportable", "reasons": []}


def say_smaller_distance(verdict: dict[str, Any]) -> None:
    (check,) = [check for check in verdict["checks"] if check["name"] == "kernel_distance"]
    check["value"] *= 0.9


def say_no_number(verdict: dict[str, Any]) -> None:
    verdict["checks"][0]["value"] = nan


def leave_out_a_check(verdict: dict[str, Any]) -> None:
    verdict["checks"] = [check for check in verdict["checks"] if check["name"] != "copied_share"]


@pytest.mark.parametrize(
    ("forge", "words"),
    [
        (say_exportable, "its verdict says exportable, but the generator is refused (kernel_distance "),
        (say_smaller_distance, "its verdict says other values than are measured here (kernel_distance)"),
        (say_no_number, "its verdict says other values than are measured here (kernel_distance)"),
        (leave_out_a_check, "its verdict says other values than are measured here (copied_share"),
    ],
)
def test_a_forged_verdict_is_refused_and_registers_nothing(
    refused: Fab, forge: Callable[[dict[str, Any]], None], words: str
) -> None:
    file = refused.folder / "evaluation" / "verdict.json"
    verdict = read_json(file)
    assert verdict["outcome"] == "refused"
    forge(verdict)
    write_json(file, verdict)
    status, said = refused.try_to_publish()
    assert status == 1
    assert words in said
    assert "nothing was registered" in said
    assert refused.client.search_registered_models() == []


def test_limits_that_were_loosened_since_are_no_way_round_a_verdict(refused: Fab) -> None:
    write_params(refused.folder, PARAMETERS)
    status, said = refused.try_to_publish()
    assert status == 1
    assert "its verdict says refused, but the generator is exportable (no objection); nothing was registered" in said
    assert refused.client.search_registered_models() == []


def test_a_verdict_about_other_images_is_refused(fab: Fab, tmp_path: Path) -> None:
    fab.train_and_evaluate()
    half = parse(
        IngestParameters, section("ingest", source=str(fab.packages.parent / "rendered.yaml"), seed=2), "tests"
    )
    ingest.run(half, tmp_path / "frames")
    params = parse(CropResizeParameters, section("crop_resize"), "tests")
    crop_resize.run(params, tmp_path / "frames", tmp_path / "others")
    fab.packages = tmp_path / "others"
    status, said = fab.try_to_publish()
    assert status == 1
    assert "its verdict is about images other than" in said
    assert fab.client.search_registered_models() == []


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


def test_a_verdict_about_another_generator_is_refused(fab: Fab) -> None:
    fab.train_and_evaluate()
    write_params(fab.folder, PARAMETERS | {"train": section("train", seed=5)})
    paths = [f"--packages={fab.packages}", "--generator=generator", "--metrics=m.json"]
    assert fab.fabgan("train", *paths, "--checkpoints=checkpoints", "--report=report")[0] == 0
    status, said = fab.try_to_publish()
    assert status == 1
    assert "its verdict is about a generator other than" in said
    assert fab.client.search_registered_models() == []


def test_augment_gives_the_same_images_for_the_same_seed(fab: Fab) -> None:
    fab.train_and_publish()
    ask = ["augment", "--model=models:/bga-generator@champion", "--seed=7"]
    for count, folder in ((20, "first"), (20, "second"), (24, "more")):
        status, said = fab.fabgan(*ask, f"--count={count}", f"--out={folder}")
        assert status == 0, said
        assert warnings_of(said) == []
    first, second, more = (images_in(fab.folder / name) for name in ("first", "second", "more"))
    assert first == second
    assert len(set(first.values())) == 20
    assert first.items() <= more.items()
    manifest = read_json(fab.folder / "first" / "manifest.json")
    assert {item["file"]: item["sha256"] for item in manifest["images"]} == first
    assert fab.fabgan(*ask, "--count=20", "--out=first")[0] == 0
    status, said = fab.fabgan(*ask, "--count=21", "--out=first")
    assert status == 1
    assert "nothing was changed" in said
    assert images_in(fab.folder / "first") == first
    (fab.folder / "foreign").mkdir()
    (fab.folder / "foreign" / "manifest.json").write_text("[]")
    status, said = fab.fabgan(*ask, "--count=20", "--out=foreign")
    assert status == 1
    assert "nothing was changed" in said


def warnings_of(said: str) -> list[str]:
    return [line for line in said.splitlines() if "warning" in line]


def test_images_of_a_refused_version_are_made_with_a_warning(fab: Fab) -> None:
    fab.train_and_publish(evaluate={"max_distance": 0.0})
    ask = ["augment", "--model=models:/bga-generator/1", "--count=2"]
    status, said = fab.fabgan(*ask, "--out=refused")
    (warning,) = warnings_of(said)
    assert warning.startswith("augment: warning: models:/bga-generator/1: its verdict is refused (kernel_distance ")
    assert (status, len(images_in(fab.folder / "refused"))) == (0, 2)
    fab.client.delete_model_version_tag("bga-generator", "1", "verdict")
    fab.client.delete_model_version_tag("bga-generator", "1", "verdict_reasons")
    status, said = fab.fabgan(*ask, "--out=unknown")
    (warning,) = warnings_of(said)
    assert warning.startswith("augment: warning: models:/bga-generator/1: its verdict is missing, so its images may")
    assert (status, images_in(fab.folder / "unknown")) == (0, images_in(fab.folder / "refused"))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("bga-generator", "expected models:/NAME@ALIAS or models:/NAME/NUMBER"),
        ("models:/nobody@champion", "no such model in the registry"),
    ],
)
def test_a_model_that_is_not_there_is_refused(fab: Fab, model: str, message: str) -> None:
    status, said = fab.fabgan("augment", f"--model={model}", "--count=1", "--out=out")
    assert status == 1
    assert message in said


def test_a_class_that_the_model_was_not_trained_with_is_refused(fab: Fab) -> None:
    fab.train_and_publish()
    ask = ["augment", "--model=models:/bga-generator@champion", "--count=1", "--out=out", "--label=missing_ball"]
    status, said = fab.fabgan(*ask)
    assert status == 1
    assert "'missing_ball' is not a class of this generator (known: none, because it was" in said
    assert not (fab.folder / "out").exists()


def test_a_dead_server_is_one_clear_line(fab: Fab) -> None:
    fab.uri = f"http://127.0.0.1:{free_port()}"
    status, said = fab.fabgan("augment", "--model=models:/bga-generator@champion", "--count=1", "--out=out")
    assert status == 1
    assert said.splitlines()[-1].startswith("fabgan: error: MLflow at http://127.0.0.1:")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """A real MLflow server that keeps the artifacts itself."""
    with running_mlflow(tmp_path / "server", str(tmp_path / "server" / "artifacts")) as uri:
        yield uri


def test_generator_published_to_a_server_is_pulled_where_nothing_else_is(
    tmp_path: Path, packages: Path, server: str
) -> None:
    Fab(tmp_path / "fab", packages, server).train_and_publish()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    ask = ["--model=models:/bga-generator@champion", "--seed=7", "--count=4", "--out=images"]
    environment = os.environ | {"MLFLOW_TRACKING_URI": server, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "fabgan", "augment", *ask], cwd=elsewhere, env=environment, check=True)
    assert sorted(images_in(elsewhere / "images")) == [f"{index:06d}.png" for index in range(4)]
    assert [path.name for path in elsewhere.iterdir()] == ["images"]
