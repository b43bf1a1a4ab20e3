"""The commands of the guides, which tests run."""

import re

from tests.conftest import ROOT


def blocks_of(guide: str) -> list[str]:
    """Return the blocks of commands in a page of the documentation, in their order."""
    return re.findall(r"```sh\n(.*?)```", (ROOT / guide).read_text(encoding="utf-8"), re.DOTALL)
