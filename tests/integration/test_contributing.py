"""The worked examples of CONTRIBUTING.md: applied to a copy of the project as they stand, they work, in few files."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from fabgan.components.core.files import read_json
from tests.conftest import PARAMETERS, ROOT, write_params, write_rendered

pytestmark = pytest.mark.integration
EDIT = re.compile(
    r"^(?:New file `(?P<new>[^`]+)`|In `(?P<file>[^`]+)`, (?P<how>after|replace) `(?P<line>[^`]+)`(?: by)?):\n\n"
    r"```\w*\n(?P<block>.*?)```",
    re.MULTILINE | re.DOTALL,
)
MOST_FILES = {"parameter": 3, "measure": 1, "step": 6}


class Copy:
    """A copy of the project in which an example was followed."""

    def __init__(self, folder: Path, example: str) -> None:
        for place in ("model", "components", "pipeline", "fabgan", "dvc.yaml", "params.yaml", "pyproject.toml"):
            if (ROOT / place).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(ROOT / place, folder / place, symlinks=True, ignore=ignored)
            else:
                shutil.copy(ROOT / place, folder / place)
        self.folder = folder
        self.files = set[str]()
        for edit in EDIT.finditer(section_of(example)):
            self._apply(edit)

    def _apply(self, edit: re.Match[str]) -> None:
        if edit["new"]:
            (self.folder / edit["new"]).parent.mkdir(exist_ok=True)
            (self.folder / edit["new"]).write_text(edit["block"])
            self.files.add(edit["new"])
            return
        path = self.folder / edit["file"]
        lines = path.read_text().splitlines(keepends=True)
        found = [number for number, line in enumerate(lines) if line.strip() == edit["line"]]
        assert found, f"{edit['file']}: no line {edit['line']!r}"
        first = found[-1] if edit["file"] == "params.yaml" else found[0]
        first = next((number for number in found if self._is_of_crop_resize(edit, lines, number)), first)
        lines[first : first + 1] = ([lines[first]] if edit["how"] == "after" else []) + [edit["block"]]
        path.write_text("".join(lines))
        self.files.add(edit["file"])

    @staticmethod
    def _is_of_crop_resize(edit: re.Match[str], lines: list[str], number: int) -> bool:
        """In params.yaml a line may stand in several sections; the example means the one of crop_resize."""
        sections = [line for line in lines[:number] if re.match(r"\w+:", line)]
        return edit["file"] == "params.yaml" and bool(sections) and sections[-1].startswith("crop_resize:")

    def run(self, *command: str, folder: Path | None = None) -> str:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        environment = os.environ | {"PYTHONPATH": str(self.folder), "PATH": path, "OMP_NUM_THREADS": "1"}
        done = subprocess.run(
            command, cwd=folder or self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout


def section_of(example: str) -> str:
    """Return the text of an example, from its heading to the next."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    match = re.search(rf"^### Add a {example}\n(.*?)(?=^### )", text, re.MULTILINE | re.DOTALL)
    assert match
    return match[1]


@pytest.fixture
def copy(request: pytest.FixtureRequest, tmp_path: Path) -> Copy:
    """A copy in which the example of this name was followed: in few files, and within the import rules."""
    copy = Copy(tmp_path, request.param)
    assert 0 < len(copy.files) <= MOST_FILES[request.param], copy.files
    copy.run("lint-imports", "--no-cache")
    copy.run("ruff", "check", ".")
    return copy


@pytest.mark.parametrize("copy", ["parameter"], indirect=True)
def test_a_parameter_takes_effect(copy: Copy) -> None:
    program = """
import json
from fabgan.components.core.parameters import parse
from fabgan.components.train.parameters import TrainParameters
from fabgan.components.train.variants import Task, new_training
made = []
for decay in (0.0, 0.25):
    seamless = {"weight_decay": decay} if decay else {}
    params = parse(TrainParameters, {"image_size_px": 64, "total_images": 8, "seamless": seamless}, "example")
    training = new_training(params, Task(64, 3, 1, 1, [1.0], [0]))
    made.append(training.optimizers["G"].param_groups[0]["weight_decay"])
print(json.dumps(made))
"""
    assert json.loads(copy.run(sys.executable, "-c", program)) == [0.0, 0.25]


@pytest.mark.parametrize("copy", ["measure"], indirect=True)
def test_a_measure_has_a_floor_and_a_limit_and_counts_in_the_verdict(copy: Copy, packages: Path) -> None:
    work = copy.folder / "work"
    work.mkdir()
    write_params(work, PARAMETERS)
    paths = {"packages": str(packages), "generator": "generator", "report": "report"}
    for step, more in (
        ("train", {"checkpoints": "checkpoints", "report": "training"}),
        ("evaluate", {"training": "training"}),
    ):
        options = [f"--{name}={path}" for name, path in (paths | more).items()]
        copy.run(sys.executable, "-m", "fabgan", step, f"--metrics={step}.json", *options, folder=work)
    (added,) = re.findall(r'^    "(\w+)": _Measure', section_of("measure"), re.MULTILINE)
    assert {"kernel_distance", "ser1", "passed", added, f"{added}_floor"} <= read_json(work / "evaluate.json").keys()
    (check,) = [check for check in read_json(work / "report" / "verdict.json")["checks"] if check["name"] == added]
    assert check["decides"] == "candidate"
    assert check["at_least"] is not None


@pytest.mark.parametrize("copy", ["step"], indirect=True)
def test_a_step_runs_by_its_name_and_as_a_stage(copy: Copy, packages: Path) -> None:
    (name,) = {file.split("/")[1] for file in copy.files if file.endswith("step.py")}
    assert name in copy.run(sys.executable, "-m", "fabgan", "--help")
    stage = yaml.safe_load((copy.folder / "dvc.yaml").read_text())["stages"][name]
    own = yaml.safe_load((copy.folder / "params.yaml").read_text())[name]
    write_params(copy.folder, PARAMETERS | {name: own})
    write_rendered(copy.folder)
    copy.run("git", "init", "--quiet")
    copy.run("dvc", "init", "--quiet")
    copy.run("dvc", "repro", "--quiet", name)
    assert read_json(copy.folder / next(iter(stage["metrics"][0])))
