"""`fabgan defects`: make images with defects, and masks of these, from annotated packages."""

import argparse
import sys
from typing import TYPE_CHECKING

from fabgan.components.core.errors import UserError

from .options import add_command, local_path

if TYPE_CHECKING:
    from .options import Subcommands


def add(commands: "Subcommands") -> None:
    """Add the subcommand `defects`."""
    command = add_command(commands, "defects", "make annotated defects in packages without any, with masks")
    command.add_argument(
        "--packages", type=local_path, required=True, metavar="DIR", help="folder that crop_resize filled"
    )
    command.add_argument("--size", type=int, required=True, help="side of the images: one of crop_resize.sizes_px")
    number = command.add_mutually_exclusive_group(required=True)
    number.add_argument("--per-kind", type=int, help="number of images of every kind of defect")
    images = "number of images in all: with --model, more of kinds that are found worse, or else as many of each"
    number.add_argument("--images", type=int, help=images)
    number.add_argument(
        "--kinds", metavar="KIND:NUMBER,...", help="number of images of some kinds, as scratch:200,pit:50"
    )
    defects = "number of defects of the image's kind, 1 or more; default: 3, or with --shapes all that are drawn"
    command.add_argument("--defects-per-image", type=int, metavar="NUMBER", help=defects)
    where = "picture of a package, white where the middle of a defect may lie; default: wherever surroundings fit"
    shapes = "such a picture, or a folder of which each image takes one by chance: every white part becomes a defect"
    drawn = command.add_mutually_exclusive_group()
    drawn.add_argument("--where", type=local_path, metavar="FILE", help=where)
    drawn.add_argument("--shapes", type=local_path, metavar="PATH", help=shapes)
    model = "folder of `fabgan train_defects`, or models:/NAME@ALIAS or models:/NAME/NUMBER; default: all are pasted"
    command.add_argument("--model", default="", metavar="MODEL", help=model)
    command.add_argument("--seed", type=int, default=0, help="the same seed gives the same images; default: 0")
    layout = "how a training program expects them: masks, coco, yolo or mvtec; default: masks"
    command.add_argument("--layout", default="masks", metavar="NAME", help=layout)
    out = "new or empty folder to fill, or one that the same command filled"
    command.add_argument("--out", type=local_path, required=True, metavar="DIR", help=out)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from fabgan.components.core.parameters import parse
    from fabgan.components.defects.parameters import DefectsParameters
    from fabgan.components.defects.step import run
    from fabgan.components.services.tracking.registry import model_folder

    asked = {
        "size_px": options.size,
        "counts": _counts(options.kinds) if options.kinds else {},
        "per_kind": options.per_kind or 0,
        "images": options.images or 0,
        "seed": options.seed,
        "layout": options.layout,
    }
    if options.defects_per_image is not None:
        asked["defects_per_image"] = options.defects_per_image
    with model_folder(options.model) as model:
        params = parse(DefectsParameters, asked, "fabgan defects")
        made = run(params, options.packages, options.out, model, options.where, options.shapes)
    sys.stdout.write(f"{options.out}: {made['images']:.0f} images with defects, with their masks and manifest\n")


def _counts(text: str) -> dict[str, int]:
    """Return the counts of `KIND:NUMBER,...`. Raises UserError for another form."""
    counts = dict[str, int]()
    for item in text.split(","):
        kind, colon, number = item.strip().rpartition(":")
        if not colon or not kind or not number.isdecimal():
            raise UserError(f"--kinds: {item.strip()!r}: expected KIND:NUMBER, for example scratch:200")
        if kind in counts:
            raise UserError(f"--kinds: {kind!r} has two numbers, {counts[kind]} and {number}; give one")
        counts[kind] = int(number)
    return counts
