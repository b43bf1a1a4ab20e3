"""`fabgan summary`: print the metrics of a run, where its pictures are, and commands to try next."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fabgan.components.core.errors import UserError
from fabgan.components.core.files import read_json
from fabgan.components.steps import STEPS

from .options import add_command, local_path

if TYPE_CHECKING:
    from .options import Subcommands

NEXT = """
Look at   reports/evaluate/report.html   the verdict, and generated packages beside real ones
          reports/train/samples/         images of the same latents during training
Then      {activate}fabgan augment --model models:/bga-generator/1 --count 64 --seed 7 --out out/augmented
          MLFLOW_DISABLE_TELEMETRY=true mlflow ui --backend-store-uri sqlite:///mlflow.db
          fabgan init ../packages-of-mine   # a project for your own photographs
"""


ACTIVATE = Path(".venv/bin/activate")


def add(commands: "Subcommands") -> None:
    """Add the subcommand `summary`."""
    command = add_command(commands, "summary", "print the metrics of the last run, and commands to try next")
    command.add_argument(
        "--metrics", type=local_path, required=True, metavar="FOLDER", help="folder of the metrics files"
    )
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    sys.stdout.write(summarise(options.metrics))


def summarise(folder: Path) -> str:
    """Return the metrics files of `folder` as a table, followed by commands to try next.

    Raises UserError if the folder holds no metrics file of a step, and for a file that holds something else.
    """
    found = {step: _metrics(folder / f"{step}.json") for step in STEPS if (folder / f"{step}.json").is_file()}
    rows = [(step, name, f"{value:,.6g}") for step, metrics in found.items() for name, value in metrics.items()]
    if not rows:
        raise UserError(f"{folder}: holds no metrics of a step; run the pipeline first (`dvc repro`)")
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{step:<{widths[0]}}  {name:<{widths[1]}}  {value:>{widths[2]}}" for step, name, value in rows]
    activate = f". {ACTIVATE}\n          " if ACTIVATE.is_file() else ""
    return "\n".join(["", *lines, NEXT.format(activate=activate)])


def _metrics(file: Path) -> dict[str, float]:
    metrics = read_json(file)
    if not isinstance(metrics, dict) or not all(isinstance(value, int | float) for value in metrics.values()):
        raise UserError(f"{file}: expected numbers by name, as a step writes its metrics; run the step again")
    return metrics
