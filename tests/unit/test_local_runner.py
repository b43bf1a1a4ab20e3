"""Pipelines on this machine: which data their steps see, and which page is the one that a run has made."""

import os
from pathlib import Path

import pytest

from fabgan.pipeline.commands import local
from fabgan.pipeline.commands.compile import PAGES, PIPELINES


def written(page: Path, words: str, at_s: float) -> None:
    page.parent.mkdir(parents=True, exist_ok=True)
    page.write_text(words)
    os.utime(page, (at_s, at_s))


def test_the_page_of_a_run_is_found_whatever_the_clock_of_the_file_server_says(tmp_path: Path) -> None:
    written(tmp_path / "run-1" / "evaluate" / "page", "earlier", at_s=2e9)
    earlier = local._pages(tmp_path, "training")
    assert local._page(tmp_path, "training", earlier) == tmp_path
    written(tmp_path / "run-2" / "evaluate" / "page", "of this run", at_s=1e9)
    assert local._page(tmp_path, "training", earlier) == tmp_path / "report.html"
    assert (tmp_path / "report.html").read_text() == "of this run"


@pytest.mark.parametrize("name", PIPELINES)
def test_of_several_pages_that_of_the_result_is_shown(name: str, tmp_path: Path) -> None:
    """A training writes two: the report of evaluate, and what publish compared."""
    for step in ("publish", "evaluate", "compare", "train-defects"):
        written(tmp_path / "run-1" / step / "page", step, at_s=1e9)
    shown = local._page(tmp_path, name, {})
    assert PAGES.get(name) == (shown.read_text() if shown.is_file() else None)


def test_only_data_of_this_machine_is_shown_to_containers(tmp_path: Path) -> None:
    assert local.shown_folder(str(tmp_path)) == local.shown_folder(f"git+file://{tmp_path}#photographs") == tmp_path
    for elsewhere in ("s3://bucket/etc", "git+https://git.fab.local/etc", "rendered.yaml", "", f"{tmp_path}/none"):
        assert local.shown_folder(elsewhere) is None


@pytest.mark.parametrize("name", ["lot #7", "which?", "git+lots"])
def test_a_folder_of_any_name_is_shown_and_a_change_in_it_is_noticed(name: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    folder.mkdir()
    assert local.shown_folder(str(folder)) == folder
    assert local._state({"data_source": str(folder)}) == []
    (folder / "photograph.png").touch()
    assert len(local._state({"data_source": str(folder)})) == 1
    assert local._state({"data_source": f"git+file://{tmp_path}"}) == []
