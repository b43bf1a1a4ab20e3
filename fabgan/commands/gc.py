"""`fabgan gc`: find what old work has left behind, and remove it."""

import argparse
import sys
from typing import TYPE_CHECKING

from fabgan.components.core.errors import UserError

from .options import add_command, in_units, local_path

if TYPE_CHECKING:
    from fabgan.components.core.leftovers import Leftover

    from .options import Subcommands

RESTORABLE = "MLflow can restore the deleted runs until `mlflow gc` is run on its server, which frees the room"


def add(commands: "Subcommands") -> None:
    """Add the subcommand `gc`."""
    command = add_command(commands, "gc", "list what old work has left behind, and remove it with --delete")
    age = "age from which on something is listed, above 0, such as 90"
    command.add_argument("--older-than", type=float, required=True, metavar="DAYS", help=age)
    pipelines = "pipelines in MLflow, with their runs and registered versions; versions with an alias stay"
    command.add_argument("--mlflow", action="store_true", help=pipelines)
    keep = "with --mlflow: the last N versions of each model stay, too; default: 5"
    command.add_argument("--keep", type=int, default=5, metavar="N", help=keep)
    folder = "checkpoints, and unfinished or replaced results, anywhere below a folder; may be repeated"
    command.add_argument("--folder", type=local_path, action="append", default=[], metavar="DIR", help=folder)
    bucket = "uploads to a bucket that were broken off; may be repeated"
    command.add_argument("--bucket", action="append", default=[], metavar="NAME", help=bucket)
    command.add_argument("--delete", action="store_true", help="remove what is listed; default: only list it")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    found = _found(options)
    for leftover in found:
        sys.stdout.write(f"{in_units(leftover.size_bytes):>10}  {leftover.what}: {leftover.why}\n")
        if options.delete:
            leftover.remove()
    end = "removed" if options.delete else "nothing was removed; --delete removes it"
    sys.stdout.write(f"{in_units(sum(one.size_bytes for one in found)):>10}  in {len(found)} place(s): {end}\n")
    if options.mlflow and options.delete:
        sys.stdout.write(f"{RESTORABLE}\n")


def _found(options: argparse.Namespace) -> "list[Leftover]":
    """Return what the options ask for. Raises UserError if they name no place, or a wrong number."""
    from fabgan.components.core.leftovers import Limits
    from fabgan.components.core.parameters import parse

    if not (options.mlflow or options.folder or options.bucket):
        raise UserError("fabgan gc: name where to look: --mlflow, --folder DIR, --bucket NAME, or several of them")
    limits = parse(Limits, {"older_than": options.older_than, "keep": options.keep}, "fabgan gc")
    found: list[Leftover] = []
    if options.mlflow:
        from fabgan.components.services.tracking.retention import old_pipelines

        found += old_pipelines(limits.older_than, limits.keep)
    if options.folder:
        from fabgan.components.train.leftovers import old_work

        found += [leftover for folder in options.folder for leftover in old_work(folder, limits.older_than)]
    if options.bucket:
        from fabgan.components.services.uploads import old_uploads

        found += [leftover for bucket in options.bucket for leftover in old_uploads(bucket, limits.older_than)]
    return found
