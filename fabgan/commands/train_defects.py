"""`fabgan train_defects`: train the defect model, and judge what made defects add to an inspection model."""

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING

from .options import add_command, local_path

if TYPE_CHECKING:
    from fabgan.components.defects.card import DefectCard
    from fabgan.components.measures.gains import Gain

    from .options import Subcommands


def add(commands: "Subcommands") -> None:
    """Add the subcommand `train_defects`."""
    command = add_command(commands, "train_defects", "train the defect model, and judge what made defects are worth")
    command.add_argument(
        "--packages", type=local_path, required=True, metavar="DIR", help="folder that crop_resize filled"
    )
    command.add_argument("--size", type=int, required=True, help="side of the images: one of crop_resize.sizes_px")
    command.add_argument("--steps", type=int, default=600, help="steps of training; default: 600")
    runs = "inspection models trained in each way, to judge, 2 or more; default: 5"
    command.add_argument("--runs", type=int, default=5, help=runs)
    command.add_argument("--seed", type=int, default=0, help="the same seed gives the same model; default: 0")
    command.add_argument("--model", type=local_path, required=True, metavar="DIR", help="new or empty folder to fill")
    register = "name of the model in MLflow under which it is registered; default: it is not registered"
    command.add_argument("--register", metavar="NAME", help=register)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    from fabgan.components.core.parameters import parse
    from fabgan.components.defects import learning, registration
    from fabgan.components.defects.parameters import TrainDefectsParameters
    from fabgan.components.publish.parameters import PublishParameters

    asked = {"size_px": options.size, "steps": options.steps, "runs": options.runs, "seed": options.seed}
    params = parse(TrainDefectsParameters, asked, "fabgan train_defects")
    if options.register is None:
        sys.stdout.write(_table(learning.run(params, options.packages, options.model)))
        return
    name = parse(PublishParameters, {"model_name": options.register}, "fabgan train_defects --register").model_name
    card, published = registration.run(params, options.packages, options.model, name)
    sys.stdout.write(_table(card))
    aliases = " ".join(f"@{alias}" for alias in published.aliases) or "no alias"
    sys.stdout.write(f"registered: {published.version.uri} {aliases}; {published.reason}\n")


def _table(card: "DefectCard") -> str:
    return "".join(f"{line}\n" for line in _lines(card))


def _lines(card: "DefectCard") -> Iterator[str]:
    """Yield a table of the kinds, what each method adds to each, and what the best ones add together."""
    from fabgan.components.defects.card import METHODS

    yield f"{'kind':<20} {'annotated':>9} {'held out':>8} {'need':>5}  method"
    for kind in card.judged:
        yield f"{kind.kind:<20} {kind.annotated:>9} {kind.held_out:>8} {kind.need:>5.2f}  {kind.method}"
    heads = "".join(f"  {method:<25}" for method in METHODS)
    yield f"\n{'average precision of':<28} {'classical':>9}{heads}".rstrip()
    for kind in card.judged:
        for of in ("images", "places"):
            gains = [_said(getattr(kind.gains[method], of)) if kind.gains else "not judged" for method in METHODS]
            classical = "" if kind.classical is None else f"{getattr(kind.classical, of):.3f}"
            yield f"{kind.kind:<20} {of:<7} {classical:>9}{''.join(f'  {gain:<25}' for gain in gains)}".rstrip()
    if card.confirmed:
        yield "\nadded by images of all kinds that are judged, each made by its method, in other runs:"
        for amount, one in card.by_amount.items():
            yield f"{amount:>5} images: AUC {_said(one.images)}, places {_said(one.places)}"
        yield f"{max(map(int, card.by_amount)):>5} images: recall at 1% false alarms {_said(card.confirmed['recall'])}"
    yield f"recommended: {', '.join(card.recommended) or 'none, because made defects were not shown to help'}"
    if card.harmed:
        yield f"found worse with these images: {', '.join(card.harmed)}"


def _said(gain: "Gain") -> str:
    return f"{gain.mean:+.3f} ({gain.low:+.3f} to {gain.high:+.3f})"
