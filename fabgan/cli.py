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
from fabgan.components.core.log import LOG, start_logging
from fabgan.components.core.signals import Terminated, stop_on_signals

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

INTERRUPTED, SIGNALLED = 130, 128
"""Exit status that shells report for a program that SIGINT ended, and what they add to the number of another signal."""
RESUMING = "ingest", "crop_resize", "train", "augment", "train_defects", "defects", "upload"
"""Subcommands that keep what is finished when they fail, and go on from there. The others begin anew."""
COMMANDS = init, preset, step, summary, augment, train_defects, defects, pipeline, upload, migrate, code, gc, backup


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one subcommand and return its exit status.

    A UserError or OSError is logged in one line that says what to fix; the status is then 1.
    """
    _prepare_streams()
    options = _parser().parse_args(arguments)
    start_logging(options.log_format)
    stop_on_signals()
    keep_to_usable_cores()
    again = f"run the same command again{': finished work is kept' if options.command in RESUMING else ''}"
    try:
        options.run(options)
        sys.stdout.flush()
    except UserError as error:
        return _fail(str(error))
    except ModuleNotFoundError as error:
        if (error.name or "fabgan").startswith("fabgan"):
            raise
        return _fail(f"{error.name} is not installed, which `fabgan {options.command}` needs: install fabgan[all]")
    except OSError as error:
        if isinstance(error, BrokenPipeError) and _nobody_reads():
            return SIGNALLED + signal.SIGPIPE
        where = f"{error.filename}: " if error.filename else ""
        reason = error.strerror or ", ".join(map(str, error.args))  # an OSError of a library has no strerror
        return _fail(f"{where}{reason}; fix this and {again}")
    except Terminated as error:
        LOG.warning("terminated; %s", again)
        return SIGNALLED + int(error.args[0])
    except KeyboardInterrupt:
        LOG.warning("interrupted; %s", again)
        return INTERRUPTED
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


def _fail(message: str) -> int:
    LOG.error(message)
    return 1


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
