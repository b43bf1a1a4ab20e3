"""Generators in a real MLflow registry: once each, measured on the same images, pulled on another machine."""

import contextlib
import io
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

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

    def train_and_publish(self, **changes: Mapping[str, object]) -> dict[str, float]:
        """Train, evaluate and publish with changed sections; return the metrics of publish."""
        sections = PARAMETERS | {step: section(step, **values) for step, values in changes.items()}
        write_params(self.folder, sections)
        options = {
            "train": ["--checkpoints=checkpoints", "--report=report"],
            "evaluate": ["--report=evaluation"],
            "publish": ["--evaluation=evaluation", "--receipt=receipt.json"],
        }
        for step, paths in options.items():
            given = [f"--packages={self.packages}", "--generator=generator", f"--metrics={step}.json"]
            status, said = self.fabgan(step, *given, *paths)
            assert status == 0, said
        metrics: dict[str, float] = read_json(self.folder / "publish.json")
        return metrics

    def alias(self, name: str) -> int:
        return int(self.client.get_model_version_by_alias("bga-generator", name).version)


def images_in(folder: Path) -> dict[str, str]:
    return {path.name: sha256_of_file(path) for path in folder.glob("*.png")}


@pytest.fixture
def fab(tmp_path: Path, packages: Path) -> Fab:
    return Fab(tmp_path / "fab", packages, tracking_uri=None)


def test_first_generator_that_passes_is_champion_and_the_same_one_makes_no_second_version(fab: Fab) -> None:
    assert fab.train_and_publish() == {"version": 1, "is_champion": 1, "is_new": 1}
    assert (fab.alias("candidate"), fab.alias("champion")) == (1, 1)
    assert fab.train_and_publish() == {"version": 1, "is_champion": 1, "is_new": 0}
    assert len(fab.client.search_model_versions("name = 'bga-generator'")) == 1
    tags = fab.client.get_model_version("bga-generator", "1").tags
    assert {"git_commit", "data_sha256", "parameters_sha256", "weights_sha256", "frechet_random"} <= tags.keys()
    assert tags["verdict"] == "passed"


def test_champion_is_the_one_closer_to_the_same_held_out_images(fab: Fab) -> None:
    quick = PARAMETERS["train"]["paper"] | {"learning_rate": 1e-3}
    better = {"total_images": 960, "checkpoint_images": 960, "paper": quick}
    fab.train_and_publish()
    assert fab.train_and_publish(train=better) == {"version": 2, "is_champion": 1, "is_new": 1}
    assert fab.train_and_publish(train={"total_images": 192}) == {"version": 3, "is_champion": 0, "is_new": 1}
    assert (fab.alias("candidate"), fab.alias("champion")) == (3, 2)
    reason = fab.client.get_model_version("bga-generator", "3").tags["champion_decision"]
    assert "for version 2, on the same images" in reason


def test_a_champion_of_another_size_is_left_to_the_people(fab: Fab, tmp_path: Path) -> None:
    fab.train_and_publish()
    larger = section("crop_resize", sizes_px=[128])
    frames = fab.packages.parent / "frames"
    crop_resize.run(parse(CropResizeParameters, larger, "tests"), frames, tmp_path / "larger")
    fab.packages = tmp_path / "larger"
    train = {"image_size_px": 128, "total_images": 16, "variant": "seamless"}
    assert fab.train_and_publish(crop_resize=larger, train=train) == {"version": 2, "is_champion": 0, "is_new": 1}
    reason = fab.client.get_model_version("bga-generator", "2").tags["champion_decision"]
    assert reason.startswith("version 1 makes images of 64 px in colour, this one 128 px in colour")


def test_a_champion_of_another_versions_networks_is_left_to_the_people(fab: Fab) -> None:
    """After an upgrade the champion may not be readable: what was trained since is a candidate, not lost."""
    fab.train_and_publish()
    registered = next(path.parent for path in fab.folder.glob("mlruns/**/generator.safetensors"))
    weights, card = registered / "generator.safetensors", registered / "generator.json"
    save_file(dict(list(load_file(weights).items())[1:]), weights)
    write_json(card, read_json(card) | {"weights_sha256": sha256_of_file(weights)})
    assert fab.train_and_publish(train={"total_images": 192}) == {"version": 2, "is_champion": 0, "is_new": 1}
    assert (fab.alias("candidate"), fab.alias("champion")) == (2, 1)
    reason = fab.client.get_model_version("bga-generator", "2").tags["champion_decision"]
    assert reason.startswith("version 1 has networks that this version of fabgan does not build")


def test_a_verdict_about_other_images_is_refused(fab: Fab, tmp_path: Path) -> None:
    fab.train_and_publish()
    half = parse(
        IngestParameters, section("ingest", source=str(fab.packages.parent / "rendered.yaml"), seed=2), "tests"
    )
    ingest.run(half, tmp_path / "frames")
    params = parse(CropResizeParameters, section("crop_resize"), "tests")
    crop_resize.run(params, tmp_path / "frames", tmp_path / "others")
    paths = [f"--packages={tmp_path / 'others'}", "--generator=generator", "--metrics=m.json"]
    status, said = fab.fabgan("publish", *paths, "--evaluation=evaluation", "--receipt=receipt.json")
    assert status == 1
    assert "its verdict is about images other than" in said


@pytest.mark.parametrize(
    ("asked", "missed"),
    [
        ({"max_share_of_untrained": 1e-6}, ["frechet_random"]),
        ({"min_diversity": 100.0}, ["diversity", "diversity_nearest", "novelty"]),
    ],
)
def test_a_verdict_that_says_no_makes_a_candidate_only(fab: Fab, asked: dict[str, float], missed: list[str]) -> None:
    metrics = fab.train_and_publish(evaluate=asked)
    assert metrics["is_champion"] == 0
    assert fab.alias("candidate") == 1
    assert "champion" not in fab.client.get_registered_model("bga-generator").aliases
    said = fab.client.get_model_version("bga-generator", "1").tags["verdict_reasons"]
    assert all(f"{name} " in said for name in missed)


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
    assert "evaluate.frechet_random" in parents[0].data.metrics
    assert {run.info.status for run in runs.values()} == {"FINISHED"}
    losses = fab.client.get_metric_history(runs["train"].info.run_id, "D")
    assert [point.step for point in losses] == [8, 16, 24, 32, 40, 48, 56, 64]
    assert runs["train"].inputs.dataset_inputs[0].dataset.name == "packages"
    assert any(item.path == "report" for item in fab.client.list_artifacts(runs["train"].info.run_id))


def test_verdict_about_another_generator_is_refused(fab: Fab) -> None:
    fab.train_and_publish()
    paths = [f"--packages={fab.packages}", "--generator=generator", "--metrics=m.json"]
    write_params(fab.folder, PARAMETERS | {"train": section("train", seed=5)})
    assert fab.fabgan("train", *paths, "--checkpoints=checkpoints", "--report=report")[0] == 0
    status, said = fab.fabgan("publish", *paths, "--evaluation=evaluation", "--receipt=receipt.json")
    assert status == 1
    assert "its verdict is about a generator other than" in said


def test_augment_gives_the_same_images_for_the_same_seed(fab: Fab) -> None:
    fab.train_and_publish()
    ask = ["augment", "--model=models:/bga-generator@champion", "--seed=7"]
    for count, folder in ((20, "first"), (20, "second"), (24, "more")):
        status, said = fab.fabgan(*ask, f"--count={count}", f"--out={folder}")
        assert status == 0, said
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
