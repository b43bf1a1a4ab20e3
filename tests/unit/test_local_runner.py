"""Pipelines on this machine: which page is the one that a run has made."""

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
