"""The lengths of sentences: what is a sentence, what is a word, and what is left out."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.prose import count_words, percentile, prose_files, sentences_of, split_sentences
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ("It learns. Then it stops.", ["It learns.", "Then it stops."]),
        ("a bucket, e.g. of the fab, is listed", ["a bucket, e.g. of the fab, is listed"]),
        ("as in Karras et al. 2020, by views", ["as in Karras et al. 2020, by views"]),
        ("see Fig. 3 and Eq. 2. They agree.", ["see Fig. 3 and Eq. 2.", "They agree."]),
        ("It is 0.85 of 1.5. Below 0.1 it fails.", ["It is 0.85 of 1.5.", "Below 0.1 it fails."]),
        ("It starves. fabgan helps.", ["It starves.", "fabgan helps."]),
        ("97.5% lie above ... and 3 .. 16 px", ["97.5% lie above ... and 3 .. 16 px"]),
        ("Does it (see below)? Yes! It does.", ["Does it (see below)?", "Yes!", "It does."]),
        ("It reads params.yaml and 2e-4; no stop here", ["It reads params.yaml and 2e-4; no stop here"]),
        ("(It is whole.) It is read.", ["(It is whole.)", "It is read."]),
        ("Run `dvc repro --force x`. Then `a.b. c` is there.", ["Run CODE.", "Then CODE is there."]),
        ("[docs/data.md](docs/data.md). See https://a.example/b.c/d. More.", ["docs/data.md.", "See CODE.", "More."]),
        ("![A picture. Of packages.](picture.jpg)", []),
        ("... - !", []),
    ],
)
def test_sentences_of_a_block(block: str, expected: list[str]) -> None:
    assert split_sentences(block) == expected


@pytest.mark.parametrize(
    ("sentence", "words"), [("One two.", 2), ("1,024 px - or 2 x 2", 6), ("Adam's L2-norm", 2), ("CODE = 3 ==", 2)]
)
def test_words_hold_a_letter_or_a_digit(sentence: str, words: int) -> None:
    assert count_words(sentence) == words


PAGE = """# A heading. With a stop.

The first sentence
goes on here. A second one:

- an item without a stop
- an item that
  goes on. And a second sentence
1. a numbered one

    more of the numbered item

Words.

    code that is indented. Not a sentence.

```sh
make run  # not a sentence.

make test
```

| a table. | with cells. |
|---|---|

<!-- a remark. -->

::: fabgan.model

> A quotation.
"""


def test_a_page_without_headings_code_and_tables(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(PAGE)
    assert sentences_of(tmp_path / "page.md") == [
        "The first sentence goes on here.",
        "A second one:",
        "an item without a stop",
        "an item that goes on.",
        "And a second sentence",
        "a numbered one",
        "more of the numbered item",
        "Words.",
        "A quotation.",
    ]


MODULE = '''"""Of the module. It has two."""
#!/not a sentence

import os  # noqa: F401

X = 1  # behind code
# alone, but below one behind code
Y = "no # comment"  # and another
"""Of an attribute."""


def function() -> None:
    """Of a function.

        an equation = 1

    And its end.
    """
    # A comment that
    # goes on.
    # type: ignore
    return  # a third
'''


def test_a_module_is_its_docstrings_and_comments(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text(MODULE)
    assert sorted(sentences_of(tmp_path / "module.py")) == sorted(
        [
            "Of the module.",
            "It has two.",
            "behind code",
            "alone, but below one behind code",
            "and another",
            "Of an attribute.",
            "Of a function.",
            "And its end.",
            "A comment that goes on.",
            "a third",
        ]
    )


def test_comments_of_parameters(tmp_path: Path) -> None:
    lines = ["# Alone.", "source: git+URL#path  # first", f"{'':22}# goes on", f"{'seed: 1':22}# second"]
    (tmp_path / "params.yaml").write_text("\n".join(lines))
    assert sentences_of(tmp_path / "params.yaml") == ["Alone.", "first goes on", "second"]


def test_the_95th_percentile_is_a_count_that_there_is() -> None:
    assert percentile([7], 95) == 7
    assert percentile(list(range(1, 101)), 95) == 95
    assert percentile(list(range(1, 20)), 95) == 19


def test_each_file_is_read_once_whatever_links_lead_to_it(tmp_path: Path) -> None:
    for file in (
        "docs/deep/page.md",
        "model/pixels.py",
        "fabgan/cli.py",
        "README.md",
        "params.yaml",
        "tests/test_a.py",
    ):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text("")
    (tmp_path / "fabgan" / "model").symlink_to("../model")
    (tmp_path / "fabgan" / "linked.py").symlink_to("../model/pixels.py")
    found = prose_files(tmp_path)
    assert sorted(found) == ["README.md", "docs/deep/page.md", "fabgan/cli.py", "model/pixels.py", "params.yaml"]


def test_the_command_prints_a_line_a_file_and_one_of_json() -> None:
    command = [sys.executable, "-m", "benchmarks.prose"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    _, *files, last = done.stdout.splitlines()
    summary = json.loads(last)
    assert summary.keys() == {"median", "p95", "files", "worst"}
    assert summary["files"] == len(files)
    assert any(line.startswith("README.md ") for line in files)
    assert 0 < summary["median"] < summary["p95"]
    assert (ROOT / summary["worst"]).is_file()
