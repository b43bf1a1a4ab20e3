"""`fabgan backup` and `fabgan restore`: save buckets in a folder for each day, and put them back."""

import argparse
import sys
from typing import TYPE_CHECKING

from .options import add_command, in_units, local_path

if TYPE_CHECKING:
    from .options import Subcommands


def add(commands: "Subcommands") -> None:
    """Add the subcommands `backup` and `restore`."""
    command = add_command(commands, "backup", "save buckets in a folder for each day, and keep the last ones")
    command.add_argument(
        "folder", type=local_path, metavar="DIR", help="folder of the backups; one for today is made in it"
    )
    _add_buckets(command, "bucket to save; may be repeated")
    file = "file that belongs to the backup, such as the dump of a database; may be repeated"
    command.add_argument("--file", type=local_path, action="append", default=[], metavar="FILE", help=file)
    command.add_argument("--keep", type=int, default=7, metavar="N", help="number of backups to keep; default: 7")
    command.set_defaults(run=_backup)
    command = add_command(commands, "restore", "put the objects of a backup back into their buckets")
    command.add_argument("folder", type=local_path, metavar="DIR", help="the backup of a day")
    _add_buckets(command, "bucket to fill, which must exist; may be repeated")
    command.set_defaults(run=_restore)


def _add_buckets(command: argparse.ArgumentParser, text: str) -> None:
    command.add_argument("--bucket", action="append", required=True, metavar="NAME", help=text)


def _backup(options: argparse.Namespace) -> None:
    from fabgan.components.core.parameters import PositiveInt, parse
    from fabgan.components.services.backup import save

    keep: int = parse(PositiveInt, options.keep, "fabgan backup", "--keep")
    made = save(options.folder, options.bucket, options.file, keep)
    fetched = f"{made.fetched} of them fetched ({in_units(made.fetched_bytes)}), the others had not changed"
    sys.stdout.write(f"{made.folder}: {made.objects} objects, {fetched}\n")


def _restore(options: argparse.Namespace) -> None:
    from fabgan.components.services.backup import restore

    count = restore(options.folder, options.bucket)
    sys.stdout.write(f"{options.folder}: {count} objects put back, the others were there\n")
