"""`fabgan init`: what it leaves behind when it fails, and folders with difficult names."""

import errno
import shutil
from pathlib import Path

import pytest

from fabgan.commands.init import new_project


@pytest.mark.parametrize("folder", ["empty", "new", "deep/er/new"])
def test_a_full_disk_leaves_nothing_of_a_project_and_the_next_try_makes_it(
    folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    copy = shutil.copyfile

    def until_full(template: Path, path: Path) -> None:
        copy(template, path)
        if path.name == ".gitignore":
            raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as full:
        full.setattr(shutil, "copyfile", until_full)
        with pytest.raises(OSError, match="No space left"):
            new_project(tmp_path / folder)
    assert [path.name for path in tmp_path.rglob("*")] == ["empty"]
    new_project(tmp_path / folder)
    assert (tmp_path / folder / "params.yaml").is_file()


def test_a_name_that_looks_like_an_option_is_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    new_project(Path("-dash"))
    assert (tmp_path / "-dash" / ".git").is_dir()
