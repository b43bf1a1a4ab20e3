"""The page of a published generator says what was decided, and shows its measures beside the champion's."""

import re
from dataclasses import replace
from pathlib import Path

from fabgan.components.artifacts.pages.publication import write_publication
from tests.unit.test_page import CHECK, verdict_of

WORSE = {CHECK.name: "0.75", "verdict": "candidate"}


def words(path: Path) -> str:
    """Return the text of a page without its head and its markup."""
    body = path.read_text(encoding="utf-8").partition("<body>")[2]
    return " ".join(re.sub("<[^>]*>", " ", body).split())


def test_measures_stand_beside_those_of_the_champion(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    verdict, aliases = verdict_of(CHECK), ["candidate", "champion"]
    write_publication(page, "models:/bga/7", verdict, aliases, "it is closer", WORSE, "models:/bga/3")
    text = words(page)
    assert text.startswith(
        "Published: models:/bga/7 Champion The verdict is exportable. It has the alias candidate and"
    )
    assert "Decision about the champion: it is closer." in text
    assert "The champion was models:/bga/3." in text
    assert "distance patches Lower is better. 0.25 0.75 0.125" in text


def test_a_measure_that_the_champion_lacks_is_none(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    verdict = verdict_of(CHECK, replace(CHECK, name="another"))
    write_publication(page, "models:/bga/7", verdict, ["candidate"], "no", WORSE, "models:/bga/3")
    assert "another Lower is better. 0.25 none 0.125" in words(page)


def test_without_a_comparison_no_column_is_shown(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    write_publication(page, "models:/bga/1", verdict_of(replace(CHECK, value=9.0)), [], "the verdict is refused", None)
    text = words(page)
    assert "Refused The verdict is refused. It has no alias." in text
    assert "It was not compared with a champion." in text
    assert "distance patches Lower is better. 9 0.125" in text
    assert "Champion" not in text


def test_names_are_shown_as_text(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    write_publication(page, "<b>", verdict_of(replace(CHECK, meaning="<b>")), ["<b>"], "<b>", WORSE, "<b>")
    assert "<b>" not in page.read_text(encoding="utf-8")
