"""The `fabgan` command. Heavy libraries are imported only when a subcommand runs, so `--help` answers at once."""

import argparse
import os
import select
import signal
import sys
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from io import TextIOWrapper
from pathlib import Path

from fabgan.components.core.cores import keep_to_usable_cores
from fabgan.components.core.errors import UserError
from fabgan.components.core.log import start_logging
from fabgan.components.core.outcome import SIGNALLED, is_told, status_of
from fabgan.components.core.signals import stop_on_signals
from fabgan.components.core.workers import keep_freed_memory

from .commands import (
    augment,
    backup,
    code,
    defects,
    gc,
    init,
    migrate,
    pipeline,
    preset,
    step,
    summary,
    train_defects,
    upload,
)

RESUMING = "ingest", "crop_resize", "train", "augment", "train_defects", "defects", "upload"
"""Subcommands that keep what is finished when they fail, and go on from there. The others begin anew."""
COMMANDS = init, preset, step, summary, augment, train_defects, defects, pipeline, upload, migrate, code, gc, backup


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit status.

    An exception that `is_told` is logged in one line that says what to fix.
    """
    _prepare_streams()
    options = _parser().parse_args(arguments)
    start_logging(options.log_format)
    stop_on_signals()
    keep_to_usable_cores()
    keep_freed_memory()
    again = f"run the same command again{': finished work is kept' if options.command in RESUMING else ''}"
    try:
        return _run(options)
    except BaseException as error:
        if not is_told(error):
            raise
        return status_of(error, again)


def _run(options: argparse.Namespace) -> int:
    """Run a subcommand; return 0, or the exit status of SIGPIPE. Raises UserError if a library is missing."""
    try:
        options.run(options)
        sys.stdout.flush()
    except BrokenPipeError:
        if not _nobody_reads():
            raise
        return SIGNALLED + signal.SIGPIPE
    except ModuleNotFoundError as error:
        if (error.name or "fabgan").startswith("fabgan"):
            raise
        words = f"{error.name} is not installed, which `fabgan {options.command}` needs: install fabgan[all]"
        raise UserError(words) from error
    return 0


def _prepare_streams() -> None:
    """Let standard output and standard error that are closed (`>&-`) take what is written; Python has None for them.

    Standard output then writes a character that its encoding lacks as an escape, as standard error does.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115 (until the program ends)
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")


def _nobody_reads() -> bool:
    """Return whether the program has ended that standard output is piped into. If so, nothing more is written to it."""
    with suppress(OSError, ValueError):  # of a stream that is no file
        poll, output = select.poll(), sys.stdout.fileno()
        poll.register(output, 0)
        if any(events & select.POLLERR for _, events in poll.poll(0)):
            os.dup2(os.open(os.devnull, os.O_WRONLY), output)
            return True
    return False


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="fabgan",
        description="Train, evaluate and register generators of semiconductor package images, on your own computers.",
        epilog="`dvc repro` runs the pipeline. dvc.yaml shows every step with its paths.",
    )
    parser.add_argument("--version", action="version", version=f"fabgan {version('fabgan')}")
    parser.add_argument(
        "--log-format", choices=("text", "json"), default="text", help="format of the messages; default: text"
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for command in COMMANDS:
        command.add(commands)
    return parser
