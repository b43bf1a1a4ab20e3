"""`fabgan code`: write the code digest of each step, which DVC compares."""

import argparse
from typing import TYPE_CHECKING

from .options import add_command, local_path

if TYPE_CHECKING:
    from .options import Subcommands

DEFECT_MODEL = "fabgan.components.defects.learning"
"""The module whose code decides the result of `fabgan train_defects`."""


def add(commands: "Subcommands") -> None:
    """Add the subcommand `code`."""
    command = add_command(commands, "code", "write the digest of each step's code, by which DVC detects changes")
    command.add_argument(
        "--output", type=local_path, required=True, metavar="DIR", help="folder to fill, one file per step"
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from fabgan.components.core.files import atomic_file
    from fabgan.components.core.provenance import code_of, code_of_module
    from fabgan.components.steps import STEPS

    digests = {step: code_of(step) for step in STEPS} | {"train_defects": code_of_module(DEFECT_MODEL)}
    for step, digest in digests.items():
        with atomic_file(options.output / step) as partial:
            partial.write_text(f"{digest}\n", encoding="ascii")
