"""The verdict on a generator, a JSON file that `evaluate` writes and `publish` checks."""

from collections.abc import Sequence
from dataclasses import asdict
from math import isfinite
from pathlib import Path
from typing import Literal

from ..core.errors import UserError
from ..core.files import json_marker, read_json, write_json
from ..core.parameters import parameters, parse

FILE_NAME = "verdict.json"
FOLDER = json_marker(FILE_NAME, "reasons", "weights_sha256", "held_out_sha256")
"""What tells the report of `evaluate` from all other folders."""
SAID = 3
"""Of more reasons than this, messages give the number alone."""
Outcome = Literal["refused", "candidate", "exportable"]
"""Refused, good enough to be used inside the fab, or good enough to be handed on. In rising order."""
Decides = Literal["candidate", "exportable", "nothing"]


@parameters
class Check:
    """One measure beside its floor and its limits."""

    name: str
    value: float | None
    """None if it could not be computed, which is a failure."""
    deviation: float
    """Standard error of the value: how far it varies with the images, or with chance in training. 0 if not known."""
    floor: float | None
    """The same measure of real lots against other real lots: what a perfect generator reaches."""
    at_least: float | None
    at_most: float | None
    decides: Decides
    """The outcome that needs this check. Without limits, a value is only shown."""
    meaning: str
    """One sentence for people, with the direction that is better."""

    @property
    def passed(self) -> bool:
        """Whether the value lies within its limits."""
        if self.value is None:
            return False
        above = self.at_least is None or self.value >= self.at_least
        return above and (self.at_most is None or self.value <= self.at_most)

    @property
    def objection(self) -> str:
        """What is wrong, in one sentence."""
        if self.value is None:
            return f"{self.name} could not be computed"
        if self.at_least is not None and self.value < self.at_least:
            return f"{self.name} {' is below '.join(_told_apart(self.value, self.at_least))}"
        return f"{self.name} {' is above '.join(_told_apart(self.value, self.at_most or 0.0))}"


def check_of(
    name: str,
    value: float | None,
    meaning: str,
    decides: Decides = "candidate",
    *,
    deviation: float = 0.0,
    floor: float | None = None,
    at_least: float | None = None,
    at_most: float | None = None,
) -> Check:
    """Return a check with the limits that it has. A value that is no finite number could not be computed."""
    known = value if value is not None and isfinite(value) else None
    return Check(name, known, deviation, floor, at_least, at_most, decides, meaning)


def _told_apart(value: float, limit: float) -> tuple[str, str]:
    """Return two numbers that differ with as few digits as tell them apart, but at least three."""
    pairs = ((f"{value:.{digits}g}", f"{limit:.{digits}g}") for digits in range(3, 18))
    return next(pair for pair in pairs if pair[0] != pair[1])


@parameters
class Sight:
    """From which grade on the limits refuse held-out images that are spoiled in one way."""

    name: str
    """The kind of spoiling, with the unit of its grades."""
    seen_from: float | None
    """The smallest grade that was refused. None: not even the strongest one was."""
    strongest: float
    """The highest grade that was tried, if no smaller one was refused."""
    seen_by: list[str]
    """The checks that refused it."""


@parameters
class Sensitivity:
    """What the limits see on these held-out images. It does not change the verdict."""

    images: int
    """Number of held-out images that were spoiled."""
    sights: list[Sight]
    obstacle: str
    """Why nothing could be tried; empty if there are sights."""

    @property
    def metrics(self) -> dict[str, float]:
        """The number of kinds that are not seen, and the smallest grade that is seen of each other kind."""
        seen = {f"{one.name}_seen_from": one.seen_from for one in self.sights if one.seen_from is not None}
        return {"spoilings_not_seen": float(len(self.unseen)), **seen} if self.sights else {}

    @property
    def unseen(self) -> list[Sight]:
        """The kinds whose strongest grade passes."""
        return [one for one in self.sights if one.seen_from is None]


@parameters
class Verdict:
    """The outcome, every check behind it, and what was measured."""

    outcome: Outcome
    reasons: list[str]
    """The objections of the checks that failed."""
    checks: list[Check]
    weights_sha256: str
    """Digest of the generator that was measured; empty for images of a folder."""
    data_sha256: str
    """Digest of the packages' manifest."""
    held_out_sha256: str
    """Digest of the real images that it was measured against."""
    extractor: str
    """Name and digest of the network whose features were compared."""
    training_images: int
    held_out_images: int
    generated_images: int
    seed: int
    """Seed of the generated images' latents."""
    groups: dict[str, dict[str, dict[str, float | None]]]
    """Measures of each group of each division of the images, such as the classes."""
    sensitivity: Sensitivity | None = None
    """None where only the verdict counts, as in `publish`."""

    @property
    def metrics(self) -> dict[str, float]:
        """The values that could be computed, by name, and the floors as NAME_floor."""
        values = {check.name: check.value for check in self.checks}
        floors = {f"{check.name}_floor": check.floor for check in self.checks}
        return {name: value for name, value in {**values, **floors}.items() if value is not None}

    @property
    def passed(self) -> bool:
        """Whether the generator may be used at all."""
        return self.outcome != "refused"


def outcome_of(checks: list[Check]) -> tuple[Outcome, list[str]]:
    """Return the outcome that checks lead to, and the objections of those that failed. No check at all is refused."""
    failed = [check for check in checks if check.decides != "nothing" and not check.passed]
    reasons = [check.objection for check in failed]
    if not checks or any(check.decides == "candidate" for check in failed):
        return "refused", reasons
    return ("candidate" if failed else "exportable"), reasons


def shortened(reasons: Sequence[str]) -> str:
    """Return the first reasons in one line, and how many more there are."""
    more = [f"and {len(reasons) - SAID} more"] if len(reasons) > SAID else []
    return "; ".join([*reasons[:SAID], *more])


def write_verdict(folder: Path, verdict: Verdict) -> None:
    """Write `verdict.json` into `folder`."""
    write_json(folder / FILE_NAME, asdict(verdict))


def read_verdict(folder: Path) -> Verdict:
    """Read `verdict.json` from `folder`. Raises UserError if it is missing or broken."""
    path = folder / FILE_NAME
    if not path.is_file():
        raise UserError(f"{path}: missing; run evaluate first")
    return parse(Verdict, read_json(path), str(path))
