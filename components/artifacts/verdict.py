"""The verdict on a generator: what `evaluate` says and `publish` obeys. One JSON file."""

from dataclasses import asdict
from pathlib import Path
from typing import Literal

from ..core.errors import UserError
from ..core.files import read_json, write_json
from ..core.parameters import parameters, parse

FILE_NAME = "verdict.json"


@parameters
class Verdict:
    """Whether a generator is good enough, why not, and on what it was measured."""

    passed: bool
    reasons: list[str]
    """Why it did not pass: one sentence a threshold that was missed."""
    weights_sha256: str
    """The generator that was measured."""
    held_out_sha256: str
    """The real images it was measured against."""
    held_out_images: int
    generated_images: int
    seed: int
    """Of the generated images' latents."""
    metrics: dict[str, float]

    @property
    def word(self) -> Literal["passed", "failed"]:
        """The verdict in one word, as pages, tags and pipelines have it."""
        return "passed" if self.passed else "failed"


def write_verdict(folder: Path, verdict: Verdict) -> None:
    """Write `verdict.json` into `folder`."""
    write_json(folder / FILE_NAME, asdict(verdict))


def read_verdict(folder: Path) -> Verdict:
    """Read `verdict.json` from `folder`; a missing or broken one is a UserError."""
    path = folder / FILE_NAME
    if not path.is_file():
        raise UserError(f"{path}: missing; run evaluate first")
    return parse(Verdict, read_json(path), str(path))
