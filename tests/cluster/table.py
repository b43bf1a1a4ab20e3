"""Checks that run one after another, and the table of what they found."""

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

Check = Callable[[], str]
"""A check returns what it saw, in a few words. An exception is a failure."""


@dataclass(frozen=True)
class Row:
    """The outcome of one check."""

    name: str
    passed: bool
    seconds: float
    words: str


def run_checks(checks: Mapping[str, Check], say: Callable[[str], object]) -> list[Row]:
    """Run every check, whatever became of those before it, and return a row for each."""
    rows = []
    for name, check in checks.items():
        say(f"{name} ...\n")
        started_s = time.monotonic()
        try:
            passed, words = True, check()
        except Exception as error:  # one failure must not hide the others
            passed, words = False, " ".join(str(error).split()) or type(error).__name__
        rows.append(Row(name, passed, time.monotonic() - started_s, words))
    return rows


def table(rows: Iterable[Row]) -> str:
    """Return the rows as a table in plain text."""
    cells = [("check", "outcome", "time", "what was seen")]
    cells += [(row.name, "ok" if row.passed else "FAILED", f"{row.seconds:.0f} s", row.words) for row in rows]
    widths = [max(len(line[column]) for line in cells) for column in range(3)]
    lines = ["  ".join([*(line[at].ljust(widths[at]) for at in range(3)), line[3]]) for line in cells]
    return "".join(f"{line.rstrip()}\n" for line in lines)
