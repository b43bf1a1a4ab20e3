"""The gate for generators that leak: `python -m benchmarks.gate --generators 100`.

Simulated generators are held against the checks of copies and of membership. A clean one shows images of lots that it
has not seen. A leaking one shows such images, and copies of some of its training images: exact, turned, shifted or
relit. Clean ones are to pass, and leaking ones are to be blocked: at least one of these checks must object.

The lots of the rendered set are divided anew for several seeds, and the generators share these divisions. Progress goes
to standard error; the last line is JSON.

Dimensions: N images, M training images, F features, R pixels a side, C channels, H W pixels.
"""

import argparse
import json
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from statistics import mean

import torch
from torch import Tensor

from benchmarks import spoiled
from benchmarks.cases import device_name
from benchmarks.sets import ImageSet, Roles, rendered
from fabgan.components.artifacts.verdict import Check, outcome_of
from fabgan.components.core.log import start_logging
from fabgan.components.core.progress import Progress
from fabgan.components.measures.copying import copy_checks, excess, membership_checks
from fabgan.components.measures.extractors import Extractor, efficientnet_lite1
from fabgan.components.measures.parameters import EvaluateParameters
from fabgan.components.measures.real import most_alike
from fabgan.model.measures.copies import CopySearch, Likeness, shrunk_to_compare, turned
from fabgan.model.pixels import brightness
from fabgan.model.streams import random_stream

IMAGES = 128
"""Number of images of lots that a generator has not seen, which it shows."""
LEAKED_SHARE = 0.05
"""Share of its training images that a leaking generator copies."""
MAX_SHIFT = 0.08
"""Largest shift of a copy, relative to the side, down and across."""
DIVISIONS = 5
"""Number of divisions into lots."""


def _turned(x_NCHW: Tensor, stream: torch.Generator) -> Tensor:
    return turned(x_NCHW, int(torch.randint(1, 8, (), generator=stream)))


def _shifted(x_NCHW: Tensor, stream: torch.Generator) -> Tensor:
    across, down = _between(-MAX_SHIFT, MAX_SHIFT, stream), _between(-MAX_SHIFT, MAX_SHIFT, stream)
    return spoiled.moved(x_NCHW, 1, across, down)


def _relit(x_NCHW: Tensor, stream: torch.Generator) -> Tensor:
    gain, gamma, slope = _between(0.9, 1.1, stream), _between(0.8, 1.25, stream), _between(-25, 25, stream)
    return spoiled.relit(x_NCHW, gain=gain, gamma=gamma, slope=slope)


def _between(low: float, high: float, stream: torch.Generator) -> float:
    return low + (high - low) * float(torch.rand((), generator=stream))


COPIED: dict[str, Callable[[Tensor, torch.Generator], Tensor]] = {
    "exact": lambda x_NCHW, _: x_NCHW,
    "turned": _turned,
    "shifted": _shifted,
    "relit": _relit,
}
"""Ways to copy an image."""


@dataclass(frozen=True)
class Shown:
    """What the gate needs to know of images."""

    whole_NF: Tensor
    """Their features."""
    likeness: Likeness
    """How they are like the training images."""

    def chosen(self, places_N: Tensor) -> "Shown":
        """Return what is known of some of the images."""
        likeness = (getattr(self.likeness, field.name)[places_N] for field in fields(Likeness))
        return Shown(self.whole_NF[places_N], Likeness(*likeness))


def joined(parts: Sequence[Shown]) -> Shown:
    """Return what is known of several sets of images as one set."""
    likeness = (torch.cat([getattr(part.likeness, field.name) for part in parts]) for field in fields(Likeness))
    return Shown(torch.cat([part.whole_NF for part in parts]), Likeness(*likeness))


class Gate:
    """The checks of one division into lots. What is known of its images is computed once."""

    def __init__(self, roles: Roles, whole_NF: Tensor, small_NRR: Tensor, extractor: Extractor) -> None:
        self._params, self._extractor = EvaluateParameters(), extractor
        self.training = roles.training()
        places = {name: torch.tensor([role == name for role in roles.roles]) for name in set(roles.roles)}
        self._training_MF, self._held_out_NF = whole_NF[places["train"]], whole_NF[places["held_out"]]
        self._search = CopySearch(small_NRR[places["train"]])
        self._held_out = self._likeness(whole_NF[places["held_out"]], small_NRR[places["held_out"]])
        self.fresh = Shown(
            whole_NF[places["fresh"]], self._likeness(whole_NF[places["fresh"]], small_NRR[places["fresh"]])
        )

    def _likeness(self, whole_NF: Tensor, small_NRR: Tensor) -> Likeness:
        return self._search.likeness(small_NRR, most_alike(whole_NF, self._training_MF))

    def shown(self, x_NCHW: Tensor) -> Shown:
        """Return what is known of images once they are looked at."""
        whole_NF, small_NRR = _looked_at(x_NCHW, self._extractor)
        return Shown(whole_NF, self._likeness(whole_NF, small_NRR))

    def checks(self, images: Shown) -> list[Check]:
        """Return the checks that decide whether a generator leaks."""
        nearest = [
            torch.cdist(real_MF, images.whole_NF).amin(dim=1) for real_MF in (self._training_MF, self._held_out_NF)
        ]
        return [
            *copy_checks(excess(images.likeness, self._held_out), self._params),
            *membership_checks(nearest[0], nearest[1], self._params),
        ]

    def copied_share(self, images: Shown) -> float:
        """Return the share of images that count as copies."""
        share, *_ = copy_checks(excess(images.likeness, self._held_out), self._params)
        return share.value or 0.0


def _looked_at(x_NCHW: Tensor, extractor: Extractor) -> tuple[Tensor, Tensor]:
    """Return the features of whole images, N x F, and the images as copies are searched for, N x R x R."""
    return extractor.whole(x_NCHW), shrunk_to_compare(brightness(x_NCHW))


@dataclass
class Tally:
    """What the gate says of generators of one conduct."""

    blocked: int = 0
    objections: Counter[str] = field(default_factory=Counter)
    """Number of generators that each check objects to."""

    def count(self, checks: list[Check]) -> None:
        """Count a generator by its checks."""
        self.blocked += outcome_of(checks)[0] != "exportable"
        self.objections.update(check.name for check in checks if check.decides != "nothing" and not check.passed)


@dataclass
class Tallies:
    """What the gate says of all generators."""

    clean: Tally = field(default_factory=Tally)
    leaking: Tally = field(default_factory=Tally)
    copied: dict[str, list[float]] = field(default_factory=lambda: {name: [] for name in COPIED})
    """For each way to copy, the shares of copies that were found, one for each leaking generator that copied so."""


def simulate(images: ImageSet, extractor: Extractor, generators: int, seed: int) -> Tallies:
    """Hold as many clean and as many leaking generators against the gate."""
    whole_NF, small_NRR = _looked_at(images.images, extractor)
    tallies, progress = Tallies(), Progress("gate", 2 * generators, "generators")
    for division in range(DIVISIONS):
        gate = Gate(images.roles(DIVISIONS * seed + division), whole_NF, small_NRR, extractor)
        for number in range(division, generators, DIVISIONS):
            tallies.clean.count(gate.checks(_unseen(gate, random_stream(seed, "clean", number))))
            copies = _copies(gate, random_stream(seed, "copies", number))
            unseen = _unseen(gate, random_stream(seed, "leaking", number))
            tallies.leaking.count(gate.checks(joined([unseen, *copies.values()])))
            for way, made in copies.items():
                tallies.copied[way].append(gate.copied_share(made))
            progress.advance(2)
    return tallies


def _unseen(gate: Gate, stream: torch.Generator) -> Shown:
    """Return images of unseen lots."""
    return gate.fresh.chosen(torch.randperm(len(gate.fresh.whole_NF), generator=stream)[:IMAGES])


def _copies(gate: Gate, stream: torch.Generator) -> dict[str, Shown]:
    """Return copies of training images, by the way that each was made."""
    leaked = torch.randperm(len(gate.training), generator=stream)[: round(LEAKED_SHARE * len(gate.training))]
    made = defaultdict(list)
    for x_CHW in gate.training[leaked]:
        way = list(COPIED)[int(torch.randint(len(COPIED), (), generator=stream))]
        made[way].append(COPIED[way](x_CHW[None], stream))
    return {way: gate.shown(torch.cat(copies)) for way, copies in made.items()}


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate the generators, and print what the gate says of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gate", description=__doc__)
    parser.add_argument("--generators", type=int, default=100, help="generators of each conduct (default: 100)")
    parser.add_argument("--seed", type=int, default=1, help="seed of lots, images and copies (default: 1)")
    parser.add_argument("--folder", type=Path, default=Path("build/ladder/rendered"), help="folder for the images")
    options = parser.parse_args(arguments)
    start_logging()
    started_s = time.monotonic()
    tallies = simulate(rendered(options.folder), efficientnet_lite1(), options.generators, options.seed)
    figures = {
        "generators": options.generators,
        "leaking_blocked": tallies.leaking.blocked,
        "clean_passed": options.generators - tallies.clean.blocked,
        "blocked_by": dict(tallies.leaking.objections),
        "clean_blocked_by": dict(tallies.clean.objections),
        "copies_found": {way: round(mean(shares), 3) for way, shares in tallies.copied.items() if shares},
        "machine": device_name(torch.device("cuda" if torch.cuda.is_available() else "cpu")),
        "seed": options.seed,
        "elapsed_s": round(time.monotonic() - started_s, 1),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
