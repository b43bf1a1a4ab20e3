"""How long the sentences of the documentation are: `python -m benchmarks.prose [--longest N]`.

Prints a line a file: how many sentences it has, and the median and 95th percentile of their words. The last line is
JSON of all files together. Code, tables, headings and addresses are left out; a code span counts as one word.
"""

import argparse
import ast
import inspect
import io
import json
import re
import tokenize
from collections.abc import Iterable, Iterator
from math import ceil
from pathlib import Path
from statistics import median

Place = tuple[int, int]
"""A line, counted from 1, and a column."""

ROOT = Path(__file__).resolve().parent.parent
PAGES = ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md", "docs/**/*.md")
PARAMETERS = "params.yaml"
CODE = ("fabgan", "components", "model", "pipeline", "bundle", "benchmarks")
FENCE = re.compile(r"```|~~~")
LEFT_OUT = re.compile(r"#{1,6} |\||<|:::|--8<--|!!! ")
"""Beginnings of lines without sentences: headings, tables, HTML, and directives of the documentation site."""
ITEM = re.compile(r"([-*+]|\d+\.) +")
DIRECTIVE = re.compile(r"noqa|type: ignore|fmt: |!/")
IMAGE = re.compile(r"!\[[^]]*\]\([^)]*\)")
ONE_WORD = re.compile(r"`+[^`]+`+|<?https?://[^\s)>]*[\w/]>?")
LINK = re.compile(r"\[([^]]*)\](\([^)]*\)|\[[^]]*\])")
STOP = re.compile(r"(?<=[\w)\]%\"'*])[.!?]+[\"')\]*]*(?=\s|$)")
ABBREVIATION = re.compile(r"(?:^|[\s(])(e\.g|i\.e|et al|cf|vs|ca|approx|[Ff]igs?|[Ee]qs?|[Ss]ec)\.$")


def main() -> None:
    """Print the figures of each file, the longest sentences where they are asked for, and the figures of all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--longest", type=int, default=0, metavar="N", help="also print the N longest sentences")
    options = parser.parse_args()
    found = {path: sentences for path in prose_files(ROOT) if (sentences := sentences_of(ROOT / path))}
    lengths = {path: sorted(map(count_words, sentences)) for path, sentences in found.items()}
    print(f"{'file':<52}{'sentences':>10}{'median':>8}{'p95':>6}")
    for path, counts in lengths.items():
        print(f"{path:<52}{len(counts):>10}{median(counts):>8g}{percentile(counts, 95):>6}")
    every = [(count_words(sentence), path, sentence) for path, sentences in found.items() for sentence in sentences]
    for words, path, sentence in sorted(every, reverse=True)[: options.longest]:
        print(f"{words} words in {path}: {sentence}")
    print(json.dumps(_summary(lengths)))


def _summary(lengths: dict[str, list[int]]) -> dict[str, float | str]:
    counts = sorted(count for of_file in lengths.values() for count in of_file)
    worst = max(lengths, key=lambda path: percentile(lengths[path], 95))
    return {"median": median(counts), "p95": percentile(counts, 95), "files": len(lengths), "worst": worst}


def prose_files(root: Path) -> list[str]:
    """Return the files with prose, relative to `root`; one that links lead to several times is named once."""
    found = [path for pattern in PAGES for path in sorted(root.glob(pattern))]
    found.append(root / PARAMETERS)
    found += [path for folder in CODE for path in sorted((root / folder).rglob("*.py"))]
    once = {path.resolve(): None for path in found if path.is_file()}
    return [path.relative_to(root.resolve()).as_posix() for path in once]


def sentences_of(path: Path) -> list[str]:
    """Return the sentences of a page, of a module's docstrings and comments, or of the comments in a YAML file."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        texts = [*_docstrings(text), *_comments(text, _python_comments(text))]
    else:
        texts = [text] if path.suffix == ".md" else list(_comments(text, _yaml_comments(text)))
    return [sentence for one in texts for block in _blocks(one) for sentence in split_sentences(block)]


def count_words(sentence: str) -> int:
    """Return how many words a sentence has: what stands between spaces and holds a letter or a digit."""
    return sum(any(map(str.isalnum, word)) for word in sentence.split())


def percentile(ordered: list[int], percent: int) -> int:
    """Return the smallest of ordered counts that this share of them does not exceed (nearest rank)."""
    return ordered[ceil(percent / 100 * len(ordered)) - 1]


def split_sentences(block: str) -> list[str]:
    """Return the sentences of a paragraph or list item; its end is the end of one, with or without a full stop."""
    text = LINK.sub(r"\1", ONE_WORD.sub("CODE", IMAGE.sub("", " ".join(block.split()))))
    ends = [match.end() for match in STOP.finditer(text) if not ABBREVIATION.search(text[: match.end()])]
    parts = [text[start:end].strip() for start, end in zip([0, *ends], [*ends, len(text)], strict=True)]
    return [part for part in parts if count_words(part)]


def _blocks(text: str) -> Iterator[str]:
    """Yield the paragraphs and list items of Markdown, as docstrings are too; neither code, tables nor headings."""
    block, in_code, in_list = list[str](), False, False
    for line in [*text.splitlines(), ""]:
        stripped = line.strip()
        fence = FENCE.match(stripped) is not None
        item = None if in_code else ITEM.match(stripped)
        indented_code = line.startswith("    ") and not (block or in_list)
        if fence or in_code or item or not stripped or indented_code or LEFT_OUT.match(stripped):
            if block:
                yield " ".join(block)
            block = [stripped[item.end() :]] if item and not indented_code else []
        else:
            block.append(stripped.removeprefix("> "))
        in_code ^= fence
        in_list = bool(item and not indented_code) or (in_list and (not stripped or line.startswith(" ")))


def _docstrings(source: str) -> Iterator[str]:
    """Yield the docstrings of a module: those of its classes, functions and attributes too."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield inspect.cleandoc(node.value.value)


def _python_comments(source: str) -> Iterator[Place]:
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start


def _yaml_comments(source: str) -> Iterator[Place]:
    for number, line in enumerate(source.split("\n"), 1):
        if match := re.search(r"(?:^|(?<=\s))#", line):
            yield number, match.end() - 1


def _comments(source: str, places: Iterable[Place]) -> Iterator[str]:
    """Yield the words of comments; one alone on its line, right below another, continues that one."""
    lines, words, below = source.split("\n"), "", (0, 0)
    for line, column in places:
        before, text = lines[line - 1][:column], lines[line - 1][column:].lstrip("#").strip()
        if DIRECTIVE.match(text):
            continue
        if before.strip() or (line, column) != below:
            yield words
            words = ""
        words, below = f"{words} {text}", (line + 1, column)
    yield words


if __name__ == "__main__":
    main()
