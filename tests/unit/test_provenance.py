"""Which commit is running, git's where there is a repository and else the image's; and which code."""

import subprocess
from pathlib import Path

import pytest

from fabgan.components.core import provenance
from tests.conftest import ROOT


def test_commit_is_that_of_the_repository_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FABGAN_GIT_COMMIT", "of another build")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert provenance.git_commit().removesuffix("+changes") == head.strip()


def test_commit_outside_git_is_the_one_the_image_was_built_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "CHECKOUT", tmp_path)
    monkeypatch.setenv("FABGAN_GIT_COMMIT", "0123abc")
    assert provenance.git_commit() == "0123abc"
    monkeypatch.delenv("FABGAN_GIT_COMMIT")
    assert provenance.git_commit() == "unknown"


def test_commit_of_a_repository_that_only_holds_the_package_is_not_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where a project is a git repository, with the installed fabgan in a virtual environment below it."""
    for command in (
        ["init", "-q"],
        ["-c", "user.name=a", "-c", "user.email=b", "commit", "-q", "--allow-empty", "-m", "a"],
    ):
        subprocess.run(["git", "-C", tmp_path, *command], check=True)
    monkeypatch.setattr(provenance, "CHECKOUT", tmp_path)
    monkeypatch.setenv("FABGAN_GIT_COMMIT", "0123abc")
    assert provenance.git_commit() == "0123abc"
