"""What several subcommands share."""

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subcommands = argparse._SubParsersAction[argparse.ArgumentParser]


def add_params(command: argparse.ArgumentParser) -> None:
    """Add the option that names a params.yaml."""
    command.add_argument("--params", type=Path, default=Path("params.yaml"), help="default: params.yaml")
