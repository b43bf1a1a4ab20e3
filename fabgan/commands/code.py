"""`fabgan code`: the digest of the code of each step, for DVC to compare."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .options import Subcommands


def add(commands: "Subcommands") -> None:
    """Add the subcommand."""
    command = commands.add_parser("code", help="write the digest of each step's code, so that DVC sees it change")
    command.add_argument("--output", type=Path, required=True, metavar="DIR", help="folder for a file a step")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from fabgan.components.core.files import atomic_file
    from fabgan.components.core.provenance import code_of
    from fabgan.components.steps import STEPS

    for step in STEPS:
        with atomic_file(options.output / step) as partial:
            partial.write_text(f"{code_of(step)}\n", encoding="ascii")
