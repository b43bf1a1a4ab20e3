"""`fabgan summary`: the metrics of a run, where its pictures are, and what to type next."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabgan.components.core.errors import UserError
from fabgan.components.core.files import read_json
from fabgan.components.steps import STEPS

if TYPE_CHECKING:
    from .options import Subcommands

NEXT = """
Look at   reports/evaluate/samples_beside_real.png   generated packages beside real ones
          reports/train/samples/                     the same latents as training went on
Then      . .venv/bin/activate
          fabgan augment --model models:/bga-generator@candidate --count 64 --seed 7 --out out/augmented
          MLFLOW_DISABLE_TELEMETRY=true mlflow ui --backend-store-uri sqlite:///mlflow.db
          dvc exp run -S train.seed=2 && dvc metrics diff
"""


def add(commands: "Subcommands") -> None:
    """Add the subcommand."""
    command = commands.add_parser("summary", help="print the metrics of the last run, and what to do next")
    command.add_argument("--metrics", type=Path, required=True, metavar="FOLDER", help="folder of the metrics files")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    sys.stdout.write(summarise(options.metrics))


def summarise(folder: Path) -> str:
    """Return the metrics files of `folder` as a table, and what to do next; none at all is a UserError."""
    found: dict[str, Any] = {
        step: read_json(folder / f"{step}.json") for step in STEPS if (folder / f"{step}.json").is_file()
    }
    if not found:
        raise UserError(f"{folder}: no metrics yet; run the pipeline first")
    rows = [(step, name, f"{value:,.6g}") for step, metrics in found.items() for name, value in metrics.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{step:<{widths[0]}}  {name:<{widths[1]}}  {value:>{widths[2]}}" for step, name, value in rows]
    return "\n".join(["", *lines, NEXT])
