"""The rules of who may import whom hold, and a forbidden import is refused wherever it is planted."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import grimp
import pytest

from fabgan.components.core.provenance import modules_of
from tests.conftest import ROOT

MATHEMATICS = {
    "torch", "math", "hashlib", "copy", "itertools", "functools", "collections", "contextlib", "dataclasses", "typing",
}  # fmt: skip
"""All that `model` may import."""


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the package and of the rules, to plant imports in."""
    shutil.copytree(ROOT / "fabgan", tmp_path / "fabgan", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def lint(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"]
    environment = {"PYTHONPATH": str(folder), "PATH": "/usr/bin:/bin"}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def plant(folder: Path, module: str, line: str) -> None:
    file = folder / f"{module}.py"
    existing = file.read_text() if file.is_file() else ""
    file.parent.mkdir(exist_ok=True)
    file.write_text(f"{existing}\n{line}\n")


@pytest.mark.parametrize(
    ("module", "line"),
    [
        ("fabgan/components/train/variants", "import mlflow"),
        ("fabgan/components/train/variants", "import boto3"),
        ("fabgan/pipeline/pod/run", "import mlflow"),
        ("fabgan/pipeline/pod/run", "import kfp"),
        ("fabgan/components/steps", "import docker"),
        ("fabgan/components/core/brand_new", "import botocore.client"),
        ("fabgan/components/measures/judge", "import dvc.api"),
        ("fabgan/components/train/parameters", "import torch"),
        ("fabgan/components/ingest/renderer/parameters", "import numpy"),
        ("fabgan/components/core/parameters", "from PIL import Image"),
        ("fabgan/components/measures/parameters", "import torch"),
        ("fabgan/components/core/files", "from fabgan.components.artifacts import manifest"),
        ("fabgan/components/artifacts/verdict", "from fabgan.components.measures import parameters"),
        ("fabgan/components/services/storage", "from fabgan.components.measures import parameters"),
        ("fabgan/model/pixels", "from fabgan.components.core import files"),
        ("fabgan/model/paper/networks", "from fabgan.model.seamless import layers"),
        ("fabgan/model/measures/seams", "from fabgan.model.paper import config"),
        ("fabgan/pipeline/pod/run", "from fabgan.pipeline.definitions import cluster"),
        ("fabgan/pipeline/checks/capacity", "from fabgan.pipeline.definitions import cluster"),
        ("fabgan/pipeline/commands/settings", "from fabgan.pipeline.definitions import tasks"),
    ],
)
def test_a_forbidden_import_is_refused(copy: Path, module: str, line: str) -> None:
    plant(copy, module, line)
    done = lint(copy)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "BROKEN" in done.stdout or "not listed as layers" in done.stdout + done.stderr


def test_the_rules_hold_in_a_copy(copy: Path) -> None:
    done = lint(copy)
    assert done.returncode == 0, done.stdout + done.stderr


SHARED = {"core", "artifacts", "services", "measures"}
"""The rooms of `components` that steps share; every other room is a step's folder, or the registry of steps."""
ROOMS = """
import grimp
graph = grimp.build_graph("fabgan", cache_dir=None)
for one in graph.modules:
    for other in graph.find_modules_directly_imported_by(one):
        if one.startswith("fabgan.components.") and other.startswith("fabgan.components."):
            print(one.split(".")[2], other.split(".")[2])
"""


def strays(folder: Path) -> set[tuple[str, str]]:
    """Return the rooms of `components` that import a room which they may not, and rooms that nobody knows."""
    done = subprocess.run([sys.executable, "-c", ROOMS], cwd=folder, capture_output=True, text=True, check=True)
    arrows = {(one, other) for one, other in map(str.split, done.stdout.splitlines()) if one != other}
    places = [path.stem for path in (folder / "fabgan" / "components").iterdir() if not path.name.startswith("_")]
    steps = {place for place in places if (folder / "fabgan" / "components" / place / "step.py").is_file()}
    unknown = {(place, "") for place in places if place not in SHARED | steps | {"steps"}}
    return unknown | {(one, other) for one, other in arrows if one != "steps" and other not in SHARED}


def test_steps_meet_through_files() -> None:
    assert strays(ROOT) == set()


@pytest.mark.parametrize(
    ("module", "line", "stray"),
    [
        ("fabgan/components/evaluate/step", "from fabgan.components.publish import step", ("evaluate", "publish")),
        (
            "fabgan/components/evaluate/step",
            "def f():\n    import fabgan.components.train.kinds",
            ("evaluate", "train"),
        ),
        ("fabgan/components/core/files", "from fabgan.components.ingest import parameters", ("core", "ingest")),
        ("fabgan/components/augment/shards", "from fabgan.components import steps", ("augment", "steps")),
        ("fabgan/components/brand_new", "x = 1", ("brand_new", "")),
    ],
)
def test_a_step_that_is_imported_by_what_may_not_is_seen(
    copy: Path, module: str, line: str, stray: tuple[str, str]
) -> None:
    plant(copy, module, line)
    assert strays(copy) == {stray}


PROGRAM = """
import grimp
graph = grimp.build_graph("fabgan", include_external_packages=True, cache_dir=None)
inside = {name for name in graph.modules if name.startswith("fabgan.model")}
outside = {name for module in inside for name in graph.find_modules_directly_imported_by(module)} - inside
print(" ".join(sorted(name.split(".")[0] for name in outside)))
"""


def imported_by_model(folder: Path) -> set[str]:
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_model_imports_torch_and_mathematics_alone() -> None:
    assert imported_by_model(ROOT) <= MATHEMATICS


@pytest.mark.parametrize("name", ["os", "json", "logging", "numpy"])
def test_a_file_or_a_service_planted_in_model_is_seen(copy: Path, name: str) -> None:
    plant(copy, "fabgan/model/brand_new", f"def late() -> None:\n    import {name}")
    assert name in imported_by_model(copy)


def test_no_module_imports_a_folder_by_its_bare_name() -> None:
    """`import model` would find whatever folder of that name a person works in."""
    graph = grimp.build_graph("fabgan", include_external_packages=True, cache_dir=None)
    assert not {"model", "components", "pipeline"} & set(graph.modules)


LOADED = {
    "fabgan.model", "fabgan.model.pixels", "fabgan.model.regions", "fabgan.model.streams",
    "fabgan.model.measures", "fabgan.model.measures.breaks", "fabgan.model.measures.classifier",
    "fabgan.model.measures.copies", "fabgan.model.measures.distances", "fabgan.model.measures.poses",
    "fabgan.model.measures.seams", "fabgan.model.measures.spectrum",
    "fabgan.model.defects", "fabgan.model.defects.networks",
    "fabgan.model.paper", "fabgan.model.paper.config", "fabgan.model.paper.networks",
    "fabgan.model.seamless", "fabgan.model.seamless.config", "fabgan.model.seamless.generator",
    "fabgan.model.seamless.layers",
}  # fmt: skip
"""All of `model` that a step other than `train` may import: what a generator and its measures are made of."""
STEP_FOLDERS = [path.parent.name for path in sorted((ROOT / "components").glob("*/step.py"))]


@pytest.mark.parametrize("step", [step for step in STEP_FOLDERS if step != "train"])
def test_a_generator_is_loaded_without_what_trains_it(step: str) -> None:
    modules = {name for name in modules_of(f"fabgan.components.{step}.step") if name.startswith("fabgan.model")}
    assert modules <= LOADED


def parameter_imports() -> set[str]:
    """Return the libraries that modules called `parameters` import, at any depth, but for the shared one."""
    graph = grimp.build_graph("fabgan", include_external_packages=True, cache_dir=None)
    modules = [name for name in graph.modules if re.fullmatch(r"fabgan\.components\.(?!core\.).*parameters", name)]
    outside = {other for name in modules for other in graph.find_modules_directly_imported_by(name)}
    return {name for name in outside if not name.startswith("fabgan.")} - sys.stdlib_module_names


def test_parameters_import_no_library() -> None:
    assert parameter_imports() == set()


@pytest.mark.parametrize("step", STEP_FOLDERS)
def test_the_imports_of_a_step_are_all_to_be_seen_in_its_source(step: str) -> None:
    """The digest of its code rests on that."""
    for module in modules_of(f"fabgan.components.{step}.step"):
        path = ROOT.joinpath(*module.split(".")[1:])
        text = (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text()
        assert not re.search(r"importlib|__import__|import \*|__doc__", text), module


def test_every_folder_of_the_package_is_a_package() -> None:
    """One without an __init__.py would be outside of every rule and of every digest."""
    for place in ("model", "components", "pipeline"):
        for file in (ROOT / place).rglob("*.py"):
            assert (file.parent / "__init__.py").is_file(), file
