"""The verdict on a generator, a JSON file that `evaluate` writes and `publish` reads."""

from dataclasses import asdict
from pathlib import Path
from typing import Literal

from ..core.errors import UserError
from ..core.files import read_json, write_json
from ..core.parameters import parameters, parse

FILE_NAME = "verdict.json"


@parameters
class Verdict:
    """Whether a generator passed, the reasons if it failed, and what was measured."""

    passed: bool
    reasons: list[str]
    """Why it failed: one sentence per missed threshold."""
    weights_sha256: str
    """Digest of the generator that was measured."""
    held_out_sha256: str
    """Digest of the real images that it was measured against."""
    held_out_images: int
    generated_images: int
    seed: int
    """Seed of the generated images' latents."""
    metrics: dict[str, float]

    @property
    def word(self) -> Literal["passed", "failed"]:
        """The verdict in one word, for pages, tags and pipelines."""
        return "passed" if self.passed else "failed"


def write_verdict(folder: Path, verdict: Verdict) -> None:
    """Write `verdict.json` into `folder`."""
    write_json(folder / FILE_NAME, asdict(verdict))


def read_verdict(folder: Path) -> Verdict:
    """Read `verdict.json` from `folder`. Raises UserError if it is missing or broken."""
    path = folder / FILE_NAME
    if not path.is_file():
        raise UserError(f"{path}: missing; run evaluate first")
    return parse(Verdict, read_json(path), str(path))
