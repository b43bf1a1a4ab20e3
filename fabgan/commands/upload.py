"""`fabgan upload`: put a folder of photographs into a bucket."""

import argparse
import sys
from typing import TYPE_CHECKING

from .options import add_command, local_path

if TYPE_CHECKING:
    from .options import Subcommands


def add(commands: "Subcommands") -> None:
    """Add the subcommand `upload`."""
    command = add_command(commands, "upload", "put a folder of photographs into a bucket, for pipelines in Kubeflow")
    command.add_argument("folder", type=local_path, metavar="DIR", help="folder with a folder of each lot")
    command.add_argument("url", metavar="URL", help="s3://BUCKET/PREFIX")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from fabgan.components.ingest.upload import upload_folder

    count, uploaded = upload_folder(options.folder, options.url)
    sys.stdout.write(f"{options.url}: {uploaded} of {count} files uploaded, the others were there\n")
