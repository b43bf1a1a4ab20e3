"""`fabgan STEP`: run one step of the pipeline on the given paths."""

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fabgan.components.steps import STEPS, load_parameters, run_step

from .options import add_command, add_params, local_path

if TYPE_CHECKING:
    from .options import Subcommands


def add(commands: "Subcommands") -> None:
    """Add one subcommand per step."""
    for name, step in STEPS.items():
        command = add_command(commands, name, step.help)
        add_params(command)
        for path, text in step.paths.items():
            command.add_argument(f"--{path}", type=local_path, required=True, metavar="PATH", help=text)
        command.add_argument(
            "--metrics", type=local_path, required=True, metavar="FILE", help="JSON file for the metrics"
        )
        command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from fabgan.components.core.errors import UserError
    from fabgan.components.core.files import write_json

    if options.metrics.is_dir():
        raise UserError(f"--metrics: {options.metrics} is a folder; name a file in it")
    paths = {path: getattr(options, path) for path in STEPS[options.command].paths}
    metrics = run_step(options.command, load_parameters(options.params), paths)
    if metrics:
        write_json(options.metrics, metrics)
        figures = "  ".join(f"{name} {value:.6g}" for name, value in metrics.items())
        sys.stdout.write(f"{options.command}: {figures}\n")
    if options.command == "evaluate":
        sys.stdout.write(f"evaluate: {_outcome(options.report)}\n")


def _outcome(report: Path) -> str:
    """Return a verdict in words, and where its page is."""
    from fabgan.components.artifacts.verdict import read_verdict, shortened

    verdict = read_verdict(report)
    why = f" ({shortened(verdict.reasons)})" if verdict.reasons else ""
    return f"{verdict.outcome}{why}; look at {report / 'report.html'}"
