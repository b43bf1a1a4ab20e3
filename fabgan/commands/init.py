"""`fabgan init`: make a project, in which git and DVC version parameters, data and results."""

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from fabgan.components.core.errors import UserError

from .options import add_command, local_path

if TYPE_CHECKING:
    from .options import Subcommands

TEMPLATES = Path(__file__).resolve().parent.parent / "project"
TARGET_PATHS = {
    "params.yaml": "params.yaml",
    "dvc.yaml": "dvc.yaml",
    "rendered.yaml": "data/rendered.yaml",
    "annotated.yaml": "data/annotated.yaml",
    "gitignore": ".gitignore",
    "dvcignore": ".dvcignore",
    "dvc_config": ".dvc/config",
    "dvc_gitignore": ".dvc/.gitignore",
    "dvc_plots.html": ".dvc/plots.html",
}
"""The path of each template's copy in a project."""
NEXT = (
    "put photographs into its data/photographs, with a folder for each lot; then, in it: `dvc add data/photographs`, "
    "`fabgan preset seamless`, `dvc repro`, `git add --all && git commit`"
)


def add(commands: "Subcommands") -> None:
    """Add the subcommand `init`."""
    command = add_command(commands, "init", "make a folder with params.yaml and dvc.yaml for your own photographs")
    command.add_argument("folder", type=local_path, help="new or empty folder; it becomes a git repository")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    new_project(options.folder)
    sys.stdout.write(f"{options.folder}: project made; next: {NEXT}\n")


def new_project(folder: Path) -> None:
    """Write a project's files into a new or empty folder, and make it a git repository.

    If that fails, for example on a full disk, nothing of it stays. Raises UserError if the folder is not empty, or git
    is not installed or fails.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UserError(f"{folder}: exists and is not an empty folder; name a new folder. Nothing was changed")
    git = shutil.which("git")
    if git is None:
        raise UserError("git: not found, and a project is a git repository; install git. Nothing was changed")
    with _nothing_left(folder):
        _fill(folder, git)


@contextmanager
def _nothing_left(folder: Path) -> Iterator[None]:
    """Delete what the block has made of a new or empty folder if it fails."""
    existed = folder.exists()
    made = next((one for one in reversed(folder.parents) if not one.exists()), folder)
    try:
        yield
    except BaseException:
        for path in list(folder.iterdir()) if existed else [made]:
            shutil.rmtree(path, ignore_errors=True)
            if path.is_file():
                path.unlink()
        raise


def _fill(folder: Path, git: str) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    done = subprocess.run(  # noqa: S603
        [git, "init", "--quiet", "--", str(folder)], env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise UserError(f"{folder}: git init failed: {' '.join(done.stderr.split())}")
    for template, path in TARGET_PATHS.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(TEMPLATES / template, folder / path)
