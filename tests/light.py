"""`fabgan` as the light installation has it: of all that is installed here, only what it needs can be imported.

`python -m tests.light ARGUMENTS` runs the command so.
"""

import re
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
from pathlib import Path
from typing import Any

PROJECT = Path(__file__).resolve().parent.parent / "pyproject.toml"


def needed(requirements: Iterable[str]) -> set[str]:
    """Return the normalised names of the distributions that requirements need, without extras, as installed here."""
    found: set[str] = set()
    waiting = list(requirements)
    while waiting:
        name = re.split(r"[^A-Za-z0-9._-]", waiting.pop(), maxsplit=1)[0].lower().replace("_", "-")
        if name not in found:
            found.add(name)
            waiting.extend(one for one in _requirements(name) if "extra ==" not in one)
    return found


def _requirements(name: str) -> list[str]:
    try:
        return requires(name) or []
    except PackageNotFoundError:  # for another platform
        return []


def blocked() -> set[str]:
    """Return the top-level modules of every distribution that the light installation does not bring."""
    light = needed(tomllib.loads(PROJECT.read_text())["project"]["dependencies"])
    return {
        module
        for module, owners in packages_distributions().items()
        if module not in ("fabgan", "tests") and not light & {owner.lower().replace("_", "-") for owner in owners}
    }


class Light:
    """A finder of modules that does not find some."""

    def __init__(self, finder: Any, hidden: set[str]) -> None:
        self.finder, self.hidden = finder, hidden

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return what the finder finds, or None for a module of another installation."""
        return None if name.partition(".")[0] in self.hidden else self.finder.find_spec(name, path, target)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.finder, name)


if __name__ == "__main__":
    hidden = blocked()
    sys.meta_path[:] = [Light(finder, hidden) for finder in sys.meta_path]
    from fabgan.cli import main

    sys.exit(main(sys.argv[1:]))
