"""A ladder of known answers: real images, spoiled in known ways, and what the verdict says of them.

Each rung gives images of lots that neither training nor the held-out set has to the verdict as if they were generated.
As they are, they must pass; blurred, compressed, warped, repeated or mixed with copies of training images, they must be
refused. The rungs of one kind are graded, and the measure that claims to see the kind must rise with the grade.

There are rendered packages and, if FABGAN_REAL_DATA is set, photographs of packages and of ball screws. The limits were
chosen without the last ones. The last line is JSON; `wrong_verdicts` is to be 0.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor

from benchmarks import spoiled
from benchmarks.sets import Roles, ball_screws, photographs, rendered
from fabgan.components.artifacts.generator import Generator, generate, load_generator
from fabgan.components.artifacts.verdict import Check, outcome_of
from fabgan.components.core.progress import Progress
from fabgan.components.measures import spoiling
from fabgan.components.measures.extractors import Extractor, efficientnet_lite1
from fabgan.components.measures.features import extract
from fabgan.components.measures.judge import judge
from fabgan.components.measures.parameters import EvaluateParameters
from fabgan.components.measures.real import Real
from fabgan.model.measures.copies import turned
from fabgan.model.measures.poses import pose
from fabgan.model.streams import random_stream

IMAGES = 64
"""Number of images on a rung."""


Spoil = Callable[[Tensor, float], Tensor]
SPOILED: dict[str, tuple[Spoil, Sequence[float]]] = {
    "blur, sigma in px": (spoiling.blurred, (1, 1.5, 2, 4, 8)),
    "blur beyond recognition, sigma in px": (spoiling.blurred, (30,)),
    "faint noise, sigma": (spoiling.noisy, (5,)),
    "noise, sigma": (spoiling.noisy, (10, 20, 40)),
    "jpeg, loss of quality": (lambda x, loss: spoiling.compressed(x, 100 - int(loss)), (70, 85, 95)),
    "warp, sigma in px": (spoiled.warped, (0.5, 1, 2, 4)),
    "lattice of 2 px, height": (lambda x, height: spoiling.with_lattice(x, height, 2), (6,)),
    "lattice of 4 px, height": (lambda x, height: spoiling.with_lattice(x, height, 4), (6, 12)),
    "lattice of 8 px, height": (lambda x, height: spoiling.with_lattice(x, height, 8), (8, 16)),
    "tint, shift": (spoiling.tinted, (20, 30, 40)),
    "contrast": (spoiled.flattened, (0.6,)),
    "brightness": (lambda x, gain: spoiled.relit(x, gain=gain), (0.6,)),
    "large pixels, side in px": (lambda x, side: spoiled.coarse(x, int(side)), (2,)),
    "levels of brightness": (lambda x, levels: spoiled.posterised(x, int(levels)), (12,)),
    "grey squares, share of side": (spoiled.with_marks, (0.25,)),
    "mean of two images": (lambda x, _: spoiled.ghosts(x), (2,)),
    "halves of two images": (lambda x, _: spoiled.chimeras(x), (2,)),
    "foreign part from a share of the side": (spoiled.with_foreign_half, (0.37,)),
    "foreign square, share of side": (spoiled.with_foreign_square, (0.4,)),
    "lower part moved, share of side": (spoiled.with_moved_bottom, (0.1,)),
    "stuck rows": (lambda x, count: spoiled.with_stuck_rows(x, int(count)), (8,)),
    "quarters exchanged": (lambda x, _: spoiled.shuffled_quarters(x), (4,)),
    "images that repeat": (lambda x, count: _cycled(x[: int(count)]), (1, 8)),
}
"""Ways to spoil fresh images, with their grades."""
COPIED: dict[str, tuple[Spoil, Sequence[float]]] = {
    "symmetry of copies": (lambda x, number: turned(x, int(number)), range(1, 8)),
    "shift of copies, share of side": (lambda x, share: spoiled.moved(x, 1, share, -share / 2), (0.02, 0.06, 0.1)),
    "crop of copies": (spoiled.moved, (0.95, 0.8, 1.2)),
    "turn of copies, degrees": (lambda x, turn_deg: spoiled.posed(x, pose(turn_deg)), (4, 8)),
    "gamma of copies": (lambda x, gamma: spoiled.relit(x, gamma=gamma), (0.9,)),
    "slope of copies": (lambda x, slope: spoiled.relit(x, slope=slope), (20,)),
    "gain of copies": (lambda x, gain: spoiled.relit(x, gain=gain), (1.06,)),
}
"""Ways to spoil training images, which are then shown as generated."""
COPIED_PERCENT = (10, 30, 60, 100)


@dataclass(frozen=True)
class Rung:
    """Images with a known answer."""

    kind: str
    grade: float
    images: Callable[[], Tensor]
    passes: bool = False


GRADED = {
    "blur, sigma in px": "kernel_distance_patches",
    "noise, sigma": "spectrum_db",
    "jpeg, loss of quality": "kernel_distance_patches",
    "warp, sigma in px": "kernel_distance_patches",
    "tint, shift": "kernel_distance",
    "exact copies, percent": "copied_share",
}
"""The measure that must rise with the grade, of each graded kind."""


def rungs(roles: Roles) -> Iterator[Rung]:
    """Yield the rungs of a set that must be refused."""
    fresh, training = roles.fresh(IMAGES), roles.training()
    for kind, (spoil, grades) in SPOILED.items():
        for grade in grades:
            yield Rung(kind, grade, partial(spoil, fresh, grade))
    yield Rung("images of one lot", 1, lambda: _cycled(roles.one_lot()))
    for percent in COPIED_PERCENT:
        yield Rung("exact copies, percent", percent, partial(_with_copies, fresh, training, percent / 100))
    for kind, (spoil, grades) in COPIED.items():
        for grade in grades:
            yield Rung(kind, grade, partial(_spoiled_copies, spoil, fresh, training, grade))
    for name, images in _generators(roles).items():
        yield Rung(f"generator: {name}", 1, partial(torch.clone, images))


def _spoiled_copies(spoil: Spoil, fresh: Tensor, training: Tensor, grade: float) -> Tensor:
    return _with_copies(fresh, spoil(training, grade), 1)


def _cycled(x_NCHW: Tensor) -> Tensor:
    return x_NCHW[torch.arange(IMAGES) % len(x_NCHW)]


def _with_copies(fresh: Tensor, copies: Tensor, share: float) -> Tensor:
    count = round(share * len(fresh))
    places = torch.randperm(len(copies), generator=random_stream(1, "copies"))
    return torch.cat([copies[places][torch.arange(count) % len(copies)], fresh[count:]])


def judged(images: Tensor, real: Real, extractor: Extractor, params: EvaluateParameters) -> list[Check]:
    """Return the checks of some images."""
    stream = random_stream(params.seed, "patches", "generated")
    features = extract(images, extractor, stream, Progress("ladder", len(images), "images"))
    return judge(features, real, params).checks


def climb(
    name: str, sets: Sequence[Roles], extractor: Extractor, params: EvaluateParameters, honest_alone: bool = False
) -> list[dict[str, object]]:
    """Print a line for each rung, and return them. The other rungs stand on the first of `sets`."""
    lines = []
    for at, roles in enumerate(sets):
        real = roles.measured(extractor, params.seed)
        honest = Rung("fresh images", at, partial(roles.fresh, IMAGES), passes=True)
        lines += [
            _line(name, rung, real, extractor, params)
            for rung in (honest, *([] if at or honest_alone else rungs(roles)))
        ]
    return lines


def _line(name: str, rung: Rung, real: Real, extractor: Extractor, params: EvaluateParameters) -> dict[str, object]:
    checks = judged(rung.images(), real, extractor, params)
    outcome, reasons = outcome_of(checks)
    line: dict[str, object] = {
        "set": name,
        "kind": rung.kind,
        "grade": rung.grade,
        "outcome": outcome,
        "right": (outcome != "refused") == rung.passes,
        "objections": [reason.split()[0] for reason in reasons],
        **{check.name: None if check.value is None else round(check.value, 4) for check in checks},
    }
    print(json.dumps(line), flush=True)
    return line


def untrained_generator(like: Generator, seed: int) -> Generator:
    """Return a generator of the same variant and shapes, in the state before its first training step."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return type(like)(like.config).eval()  # type: ignore[arg-type]


def _generators(roles: Roles) -> dict[str, Tensor]:
    """Return images of generators that are known to be bad: one before training, and the one of `artifacts`."""
    folder = Path("artifacts/generator")
    if not (folder / "generator.json").is_file():
        return {}
    trained = load_generator(folder)
    if trained.config.image_size_px != roles.size_px:
        return {}
    made = {"demo": trained, "untrained": untrained_generator(trained, 1)}
    return {name: torch.stack(list(generate(generator, IMAGES, 1))) for name, generator in made.items()}


def monotone(lines: Sequence[dict[str, object]]) -> dict[str, bool]:
    """Return, for each graded kind of each set, whether the measure that claims to see it rises with the grade."""
    found = {}
    for name in dict.fromkeys(line["set"] for line in lines):
        for kind, measure in GRADED.items():
            values = [line[measure] for line in lines if line["kind"] == kind and line["set"] == name]
            found[f"{name} {kind}"] = all(low <= high for low, high in pairwise(values))  # type: ignore[operator]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Climb the ladders; return 1 if a verdict was wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ladder", description=__doc__)
    parser.add_argument("--folder", type=Path, default=Path("build/ladder"), help="folder for the images")
    parser.add_argument("--repeats", type=int, default=4, help="divisions into lots that honest images are tried with")
    parser.add_argument("--honest", action="store_true", help="try honest images alone, for the rate of wrong refusals")
    options = parser.parse_args(arguments)
    extractor, params = efficientnet_lite1(), EvaluateParameters()
    sets = {"rendered": rendered(options.folder / "rendered")}
    if folder := os.environ.get("FABGAN_REAL_DATA"):
        sets["photographs"] = photographs(Path(folder), options.folder / "photographs")
        sets["ball_screws"] = ball_screws(Path(folder), options.folder / "ball_screws")
    lines = [
        line
        for name, packages in sets.items()
        for line in climb(
            name, [packages.roles(seed) for seed in range(options.repeats)], extractor, params, options.honest
        )
    ]
    summary = {
        "rungs": len(lines),
        **{f"rungs_{name}": sum(line["set"] == name for line in lines) for name in sets},
        "wrong_verdicts": sum(not line["right"] for line in lines),
        "monotone": monotone(lines),
        "limits": asdict(params),
    }
    print(json.dumps(summary))
    return int(bool(summary["wrong_verdicts"]) or not all(monotone(lines).values()))


if __name__ == "__main__":
    sys.exit(main())
