"""`publish` believes no verdict file: it measures again, and registers nothing if the file says otherwise."""

import shutil
from collections.abc import Callable
from math import nan
from pathlib import Path
from typing import Any

import pytest

from fabgan.components.core.files import read_json, write_json
from fabgan.components.core.parameters import parse
from fabgan.components.crop_resize import step as crop_resize
from fabgan.components.crop_resize.parameters import CropResizeParameters
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.parameters import IngestParameters
from tests.conftest import PARAMETERS, section, write_params
from tests.fab import Fab

pytestmark = pytest.mark.integration


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


def test_a_verdict_about_another_generator_is_refused(fab: Fab) -> None:
    fab.train_and_evaluate()
    write_params(fab.folder, PARAMETERS | {"train": section("train", seed=5)})
    paths = [f"--packages={fab.packages}", "--generator=generator", "--metrics=m.json"]
    assert fab.fabgan("train", *paths, "--checkpoints=checkpoints", "--report=report")[0] == 0
    status, said = fab.try_to_publish()
    assert status == 1
    assert "its verdict is about a generator other than" in said
    assert fab.client.search_registered_models() == []
