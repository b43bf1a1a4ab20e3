"""`fabgan init`: a project of one's own, in which git and DVC version parameters, data and results."""

import argparse
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fabgan.components.core.errors import UserError

if TYPE_CHECKING:
    from .options import Subcommands

TEMPLATES = Path(__file__).resolve().parent.parent / "project"
PLACES = {
    "params.yaml": "params.yaml",
    "dvc.yaml": "dvc.yaml",
    "rendered.yaml": "data/rendered.yaml",
    "gitignore": ".gitignore",
    "dvcignore": ".dvcignore",
    "dvc_config": ".dvc/config",
    "dvc_gitignore": ".dvc/.gitignore",
}
"""Where each template goes in a project."""


def add(commands: "Subcommands") -> None:
    """Add the subcommand."""
    command = commands.add_parser("init", help="make a folder with params.yaml and dvc.yaml for your own photographs")
    command.add_argument("folder", type=Path, help="a new folder, or an empty one; it becomes a git repository")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    new_project(options.folder)
    sys.stdout.write(f"{options.folder}: a project; next: git add --all && git commit, then dvc repro\n")


def new_project(folder: Path) -> None:
    """Write a project's files into a new or empty folder, and make it a git repository.

    Raises UserError where the folder holds something, or git is missing.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: holds something already; name a new folder. Nothing was touched")
    for template, place in PLACES.items():
        (folder / place).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(TEMPLATES / template, folder / place)
    git = shutil.which("git")
    if git is None:
        raise UserError("git: not found; a project is a git repository, so install git, and run `git init` there")
    subprocess.run([git, "init", "--quiet", str(folder)], check=True)  # noqa: S603
