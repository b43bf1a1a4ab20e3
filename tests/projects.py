"""A project as `fabgan init` makes it, with small parameters, to run commands in."""

import os
import subprocess
import sys
from pathlib import Path

import yaml

from fabgan.commands import init
from fabgan.components.core.files import read_json
from tests.conftest import PARAMETERS, ROOT, write_params, write_rendered
from tests.database import database_in


class Project:
    """A project, as a git repository of its own."""

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
    """Make a project, shrink its parameters, and commit."""
    init.new_project(folder)
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    write_params(folder, PARAMETERS | {name: content[name] for name in ("kubeflow", "presets")})
    write_rendered(folder)
    database_in(folder)
    project = Project(folder)
    project.run("git config user.name test && git config user.email test@localhost")
    project.run("git add -A && git commit -qm start")
    return project
