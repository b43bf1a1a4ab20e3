"""Which commit is running, git's where there is a repository and else the image's; and which code."""

import subprocess
from pathlib import Path

import pytest

from components import provenance
from tests.conftest import ROOT


def test_commit_is_that_of_the_repository_whatever_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FABGAN_GIT_COMMIT", "of another build")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert provenance.git_commit().removesuffix("+changes") == head.strip()


def test_commit_outside_git_is_the_one_the_image_was_built_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "CODE", tmp_path)
    monkeypatch.setenv("FABGAN_GIT_COMMIT", "0123abc")
    assert provenance.git_commit() == "0123abc"
    monkeypatch.delenv("FABGAN_GIT_COMMIT")
    assert provenance.git_commit() == "unknown"


def test_the_digest_of_code_is_of_what_is_in_the_files_that_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "CODE", tmp_path)
    for place in ("model/layers/one.py", "components/train.py", "components/publish.py"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text("x = 1\n")

    def digest() -> str:
        return provenance.code_digest("model", "components/train.py")

    first = digest()
    (tmp_path / "components/publish.py").write_text("x = 2\n")
    assert digest() == first
    (tmp_path / "model/layers/one.py").write_text("x = 2\n")
    second = digest()
    (tmp_path / "components/train.py").write_text("x = 2\n")
    assert len({first, second, digest()}) == 3
