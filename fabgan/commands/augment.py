"""`fabgan augment` and `fabgan gather`: make images with a registered generator, in a folder or a bucket."""

import argparse
import sys
from typing import TYPE_CHECKING

from .options import add_command, folder_or_bucket

if TYPE_CHECKING:
    from .options import Subcommands


def add(commands: "Subcommands") -> None:
    """Add the subcommands `augment` and `gather`."""
    command = add_command(commands, "augment", "make images with a registered generator")
    command.add_argument("--model", required=True, help="models:/NAME@ALIAS or models:/NAME/NUMBER")
    command.add_argument("--count", type=int, required=True, help="number of images, 1 or more")
    command.add_argument("--seed", type=int, default=0, help="the same seed gives the same images; default: 0")
    command.add_argument("--label", default="", help="class of the images; needs a model trained with labels")
    command.add_argument("--first", type=int, default=0, help="index of the first image of a shard; default: 0")
    packed = "images per file: 1 for PNG files, 2 or more for tar files in the WebDataset layout; default: 1"
    command.add_argument("--images-per-file", type=int, default=1, metavar="N", help=packed)
    out = "new or empty folder to fill, or s3://BUCKET/PREFIX"
    command.add_argument("--out", type=folder_or_bucket, required=True, metavar="DIR", help=out)
    command.set_defaults(run=_augment)
    command = add_command(commands, "gather", "join the shards that augment put into a bucket under one manifest")
    command.add_argument(
        "--out", type=folder_or_bucket, required=True, metavar="URL", help="s3://BUCKET/PREFIX that augment filled"
    )
    command.add_argument("--count", type=int, required=True, help="number of images of all shards together, 1 or more")
    command.set_defaults(run=_gather)


def _augment(options: argparse.Namespace) -> None:
    from fabgan.components.augment.parameters import AugmentParameters
    from fabgan.components.augment.step import run
    from fabgan.components.core.parameters import parse

    names = ("model", "first", "count", "seed", "label", "images_per_file")
    asked = {name: getattr(options, name) for name in names}
    run(parse(AugmentParameters, asked, "fabgan augment"), options.out)
    sys.stdout.write(f"{options.out}: {options.count} images of {options.model}, with their manifest\n")


def _gather(options: argparse.Namespace) -> None:
    from fabgan.components.augment.shards import gather

    gather(options.out, options.count)
    sys.stdout.write(f"{options.out}: manifest of {options.count} images written\n")
