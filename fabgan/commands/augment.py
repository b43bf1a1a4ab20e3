"""`fabgan augment` and `fabgan gather`: images of a registered generator, in a folder or in a bucket."""

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .options import Subcommands


def add(commands: "Subcommands") -> None:
    """Add the two subcommands."""
    command = commands.add_parser("augment", help="pull a registered generator and make images")
    command.add_argument("--model", required=True, help="models:/NAME@ALIAS or models:/NAME/NUMBER")
    command.add_argument("--count", type=int, required=True, help="how many images")
    command.add_argument("--seed", type=int, default=0, help="the same seed gives the same images; default: 0")
    command.add_argument("--label", default="", help="class of the images, where the model was trained with labels")
    command.add_argument("--first", type=int, default=0, help="index of the first image, for a shard; default: 0")
    out = "folder to fill, which must not exist yet, or s3://BUCKET/PREFIX"
    command.add_argument("--out", required=True, metavar="DIR", help=out)
    command.set_defaults(run=_augment)
    command = commands.add_parser("gather", help="make one manifest of the shards that augment put into a bucket")
    command.add_argument("--out", required=True, metavar="URL", help="s3://BUCKET/PREFIX that augment filled")
    command.add_argument("--count", type=int, required=True, help="how many images there are in all")
    command.set_defaults(run=_gather)


def _augment(options: argparse.Namespace) -> None:
    from fabgan.components.augment.parameters import AugmentParameters
    from fabgan.components.augment.step import run
    from fabgan.components.core.parameters import parse

    asked = {name: getattr(options, name) for name in ("model", "first", "count", "seed", "label")}
    run(parse(AugmentParameters, asked, "fabgan augment"), options.out)
    sys.stdout.write(f"{options.count} images of {options.model} and their manifest are in {options.out}\n")


def _gather(options: argparse.Namespace) -> None:
    from fabgan.components.augment.shards import gather

    gather(options.out, options.count)
    sys.stdout.write(f"the manifest of {options.count} images is in {options.out}\n")
