"""The house: what depends on what, and that what is declared is true."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import grimp
import pytest
import yaml

from components.steps import STEPS, load_parameters
from fabgan.presets import apply_preset
from tests.conftest import ROOT

STAGES = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
HEAVY = ("torch", "kfp", "mlflow", "dvc", "boto3", "cv2", "PIL", "pydantic", "numpy")


def imported_files(step: str) -> set[str]:
    """Return the files of this project that a step's code consists of."""
    graph = grimp.build_graph("components", "model")
    modules = {f"components.{step}"} | graph.find_upstream_modules(f"components.{step}")
    packages = {parent for module in modules for parent in _parents(module)}
    return {_file(module) for module in modules | packages}


def _parents(module: str) -> list[str]:
    parts = module.split(".")
    return [".".join(parts[:length]) for length in range(1, len(parts))]


def _file(module: str) -> str:
    path = ROOT / module.replace(".", "/")
    return (path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).relative_to(ROOT).as_posix()


def declared_files(step: str) -> set[str]:
    """Return the Python files that a stage declares, a folder standing for those in it."""
    declared: set[str] = set()
    for dependency in STAGES[step]["deps"]:
        path = ROOT / dependency
        if dependency.startswith(("components", "model")):
            files = path.rglob("*.py") if path.is_dir() else [path]
            declared |= {file.relative_to(ROOT).as_posix() for file in files}
    return declared


@pytest.mark.parametrize("step", STEPS)
def test_stage_declares_the_code_that_its_step_imports(step: str) -> None:
    declared = {file for file in declared_files(step) if not file.endswith("__init__.py")}
    assert declared == {file for file in imported_files(step) if not file.endswith("__init__.py")}


@pytest.mark.parametrize("step", STEPS)
def test_stage_depends_on_its_own_section_of_the_parameters(step: str) -> None:
    assert STAGES[step]["params"] == [step]
    assert STAGES[step]["cmd"].startswith(f"fabgan {step} ")
    assert list(STAGES[step]["metrics"][0]) == [f"reports/metrics/{step}.json"]


def test_every_stage_is_a_step() -> None:
    assert list(STAGES) == list(STEPS)


@pytest.mark.parametrize(
    "arguments",
    [[], *([name] for name in STEPS), ["augment"], ["gather"], ["preset"], ["summary"], ["pipeline", "run"]],
)
def test_help_answers_without_heavy_imports(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom fabgan.cli import main\n"
        "try:\n    main(sys.argv[1:])\n"
        f"finally:\n    sys.stderr.write(','.join(name for name in {HEAVY} if name in sys.modules))"
    )
    command = [sys.executable, "-c", program, *arguments, "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert done.stdout.startswith("usage: fabgan")


def test_parameters_of_the_project_are_good() -> None:
    assert load_parameters(ROOT / "params.yaml").keys() == STEPS.keys()


def leaves(content: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """Return every value that is no mapping, as text, by its dotted name."""
    flat: dict[str, str] = {}
    for key, value in content.items():
        flat |= leaves(value, f"{prefix}{key}.") if isinstance(value, dict) else {f"{prefix}{key}": repr(value)}
    return flat


@pytest.mark.parametrize("preset", ["demo", "seamless", "paper"])
def test_presets_give_good_parameters_and_keep_the_comments(preset: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    text = (ROOT / "params.yaml").read_text()
    path.write_text(text)
    apply_preset(path, preset)
    assert leaves(yaml.safe_load(text)["presets"][preset]).items() <= leaves(yaml.safe_load(path.read_text())).items()
    load_parameters(path)
    assert re.findall(r"#.*", path.read_text()) == re.findall(r"#.*", text)


@pytest.mark.parametrize("preset", ["seamless", "paper"])
def test_the_project_comes_as_its_demo_preset(preset: str, tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text((ROOT / "params.yaml").read_text())
    before = load_parameters(path)
    apply_preset(path, preset)
    assert load_parameters(path) != before
    apply_preset(path, "demo")
    assert load_parameters(path) == before


def test_lock_file_pins_every_dependency() -> None:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    pinned = {line.split("==")[0].lower().replace("_", "-") for line in lines}
    assert all(re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9._]+", line) for line in lines)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [re.split(r"[<>=\[]", name)[0] for name in project["dependencies"]]
    assert len(wanted) > 10
    assert set(wanted) <= pinned
