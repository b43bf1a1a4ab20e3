"""A copy of the project in a git repository of its own, with small parameters, to run its commands in."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

from components.files import read_json
from tests.conftest import PARAMETERS, RENDERED, ROOT


class Project:
    """A copy of the project in a git repository of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        scripts = Path(sys.executable).parent
        self.environment = os.environ | {"PATH": f"{scripts}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}

    def tried(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def run(self, command: str) -> str:
        done = self.tried(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def metrics(self, step: str) -> dict[str, float]:
        found: dict[str, float] = read_json(self.folder / "reports" / "metrics" / f"{step}.json")
        return found


def new_project(folder: Path) -> Project:
    """Copy what git tracks, shrink the parameters, and commit."""
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for file in tracked.splitlines():
        if not file.startswith(("tests/", "reports/")) and file != "dvc.lock" and (ROOT / file).is_file():
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / file, folder / file)
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    others = {name: content[name] for name in ("kubeflow", "presets")}
    (folder / "params.yaml").write_text(yaml.safe_dump(PARAMETERS | others))
    (folder / "rendered.yaml").write_text(yaml.safe_dump(RENDERED))
    project = Project(folder)
    project.run("git init -q && git config user.name test && git config user.email test@localhost")
    project.run("git add -A && git commit -qm start")
    return project
