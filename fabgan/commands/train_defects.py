"""`fabgan train_defects`: train the defect model, and judge what made defects add to an inspection model."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .options import add_command

if TYPE_CHECKING:
    from fabgan.components.defects.card import DefectCard
    from fabgan.components.measures.gains import Gain

    from .options import Subcommands


def add(commands: "Subcommands") -> None:
    """Add the subcommand `train_defects`."""
    command = add_command(commands, "train_defects", "train the defect model, and judge what made defects are worth")
    command.add_argument("--packages", type=Path, required=True, metavar="DIR", help="folder that crop_resize filled")
    command.add_argument("--size", type=int, required=True, help="side of the images: one of crop_resize.sizes_px")
    command.add_argument("--steps", type=int, default=600, help="steps of training; default: 600")
    runs = "inspection models trained in each way, to judge, 2 or more; default: 5"
    command.add_argument("--runs", type=int, default=5, help=runs)
    command.add_argument("--seed", type=int, default=0, help="the same seed gives the same model; default: 0")
    command.add_argument("--model", type=Path, required=True, metavar="DIR", help="new or empty folder to fill")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from fabgan.components.core.parameters import parse
    from fabgan.components.defects.learning import run
    from fabgan.components.defects.parameters import TrainDefectsParameters

    asked = {"size_px": options.size, "steps": options.steps, "runs": options.runs, "seed": options.seed}
    card = run(parse(TrainDefectsParameters, asked, "fabgan train_defects"), options.packages, options.model)
    sys.stdout.write("".join(f"{line}\n" for line in _lines(card)))


def _lines(card: "DefectCard") -> Iterator[str]:
    """Yield a table of the kinds, and what images made as recommended add."""
    yield f"{'kind':<20} {'annotated':>9} {'held out':>8} {'classical':>9}  {'pasted':<24} {'fitted':<24} recommended"
    for kind in card.judged:
        gains = [_said(kind.gains[method]) if kind.gains else "not judged" for method in ("pasted", "fitted")]
        classical = "" if kind.classical is None else f"{kind.classical:.3f}"
        figures = f"{kind.annotated:>9} {kind.held_out:>8} {classical:>9}"
        yield f"{kind.kind:<20} {figures}  {gains[0]:<24} {gains[1]:<24} {kind.method}"
    if card.confirmed:
        auc, recall = (_said(card.confirmed[name]) for name in ("auc", "recall"))
        yield f"images as recommended, in other runs: AUC {auc}, recall at 1% false alarms {recall}"
    else:
        yield "no kind is recommended: made defects did not help the inspection model"


def _said(gain: "Gain") -> str:
    return f"{gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
