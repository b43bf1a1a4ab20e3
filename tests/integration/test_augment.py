"""Images of registered generators: the same for the same seed, and a warning if no verdict stands for them."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fabgan.components.core.files import read_json
from tests.conftest import ROOT
from tests.fab import Fab, images_in
from tests.servers.mlflow_server import free_port, running_mlflow

pytestmark = pytest.mark.integration


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


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree])
def test_a_project_that_was_moved_or_copied_has_its_models_and_leaves_the_other_place_alone(
    fab: Fab, tmp_path: Path, packages: Path, move: Callable[[Path, Path], object]
) -> None:
    fab.train_and_publish()
    before = fab.folder
    move(before, tmp_path / "there")
    there = Fab(tmp_path / "there", packages, tracking_uri=None)
    files = set(before.rglob("*"))
    status, said = there.fabgan("augment", "--model=models:/bga-generator@champion", "--count=2", "--out=out")
    assert (status, len(images_in(there.folder / "out"))) == (0, 2), said
    assert f"artifacts that were in {before}/mlruns are now looked for in {there.folder}/mlruns" in said
    there.train_and_evaluate(train={"seed": 3})
    status, said = there.try_to_publish()
    assert status == 0, said
    assert there.versions == 2
    assert set(before.rglob("*")) == files


def warnings_of(said: str) -> list[str]:
    return [line for line in said.splitlines() if "warning" in line]


def test_images_of_a_refused_version_are_made_with_a_warning(fab: Fab) -> None:
    fab.train_and_publish(evaluate={"max_distance": 0.0})
    ask = ["augment", "--model=models:/bga-generator/1", "--count=2"]
    status, said = fab.fabgan(*ask, "--out=refused")
    (warning,) = warnings_of(said)
    assert warning.startswith("augment: warning: models:/bga-generator/1: its verdict is refused (kernel_distance ")
    assert re.search(r"^[^;]*;[^;]*;[^;]*; and \d+ more\), so its images", warning)
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


def test_generator_published_to_a_server_is_pulled_by_a_light_installation_where_nothing_else_is(
    tmp_path: Path, packages: Path, server: str
) -> None:
    Fab(tmp_path / "fab", packages, server).train_and_publish()
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    ask = ["--model=models:/bga-generator@champion", "--seed=7", "--count=4", "--out=images"]
    environment = os.environ | {"MLFLOW_TRACKING_URI": server, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "tests.light", "augment", *ask], cwd=elsewhere, env=environment, check=True)
    assert sorted(images_in(elsewhere / "images")) == [f"{index:06d}.png" for index in range(4)]
    assert [path.name for path in elsewhere.iterdir()] == ["images"]
