"""The publish step: a generator becomes a version in the MLflow registry, a candidate, and perhaps the champion.

The same weights make one version, however often they are published. A generator becomes champion only if its verdict is
passed. If there is a champion already, the generator must also be closer to the held-out images. This step measures the
champion for that, on the same images and with the same latents.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from fabgan.model.streams import random_stream

from ..artifacts.generator import Generator, generate, load_card, load_generator
from ..artifacts.packages import open_packages
from ..artifacts.verdict import Verdict, read_verdict
from ..core.errors import OtherVersionError, UserError
from ..core.files import write_json
from ..core.parameters import digest
from ..core.progress import Progress
from ..core.provenance import git_commit
from ..measures.held_out import extract, held_out_sha256
from ..services.tracking.registry import Registry, Version
from .parameters import PublishParameters

CANDIDATE = "candidate"
CHAMPION = "champion"


@dataclass(frozen=True)
class _Decision:
    is_champion: bool
    reason: str


def run(
    params: PublishParameters, packages: Path, generator: Path, evaluation: Path, receipt: Path
) -> dict[str, float]:
    """Register the `generator` folder with the verdict in the `evaluation` folder; write the JSON file `receipt`.

    Raises UserError if the verdict is about another generator or other images, or the registry cannot be used.
    """
    ours = load_generator(generator)
    card, verdict = load_card(generator), read_verdict(evaluation)
    if verdict.weights_sha256 != card["weights_sha256"]:
        raise UserError(f"{evaluation}: its verdict is about a generator other than {generator}; run evaluate again")
    if verdict.held_out_sha256 != held_out_sha256(packages, ours.config.image_size_px):
        raise UserError(f"{evaluation}: its verdict is about images other than those of {packages}; run evaluate again")
    registry = Registry()
    known = registry.find(params.model_name, verdict.weights_sha256)
    tags = _tags(card, verdict)
    version = known or registry.register(params.model_name, generator, tags)
    registry.tag(version, tags)
    registry.set_alias(version, CANDIDATE)
    decision = _decide(registry, version, verdict, packages, ours)
    if decision.is_champion:
        registry.set_alias(version, CHAMPION)
    registry.tag(version, {"champion_decision": decision.reason})
    _write_receipt(receipt, registry, version, decision)
    return {"version": version.number, "is_champion": float(decision.is_champion), "is_new": float(known is None)}


def _tags(card: dict[str, object], verdict: Verdict) -> dict[str, str]:
    return {
        "weights_sha256": verdict.weights_sha256,
        "data_sha256": str(card["data_sha256"]),
        "parameters_sha256": digest(card["parameters"]),
        "held_out_sha256": verdict.held_out_sha256,
        "git_commit": git_commit(),
        "verdict": verdict.word,
        "verdict_reasons": "; ".join(verdict.reasons),
        **{name: f"{value:.6g}" for name, value in verdict.metrics.items()},
    }


def _decide(registry: Registry, version: Version, verdict: Verdict, packages: Path, ours: Generator) -> _Decision:
    champion = registry.with_alias(version.name, CHAMPION)
    if champion is not None and champion.number == version.number:
        return _Decision(True, "it is the champion already")
    if not verdict.passed:
        return _Decision(False, f"the verdict is failed: {'; '.join(verdict.reasons)}")
    if champion is None:
        return _Decision(True, "the verdict is passed, and there was no champion")
    with tempfile.TemporaryDirectory() as folder:
        registry.pull(champion, Path(folder))
        try:
            theirs = load_generator(Path(folder))
        except OtherVersionError:
            reason = "has networks that this version of fabgan does not build; choose between the two yourself"
            return _Decision(False, f"version {champion.number} {reason}")
    if _image_type(theirs) != _image_type(ours):
        reason = f"{_image_type(theirs)}, this one {_image_type(ours)}; choose between the two yourself"
        return _Decision(False, f"version {champion.number} makes images of {reason}")
    return _compare(theirs, champion.number, verdict, packages)


def _image_type(generator: Generator) -> str:
    config = generator.config
    return f"{config.image_size_px} px in {'grey' if config.channels == 1 else 'colour'}"


def _compare(champion: Generator, number: int, verdict: Verdict, packages: Path) -> _Decision:
    """Measure the champion on the held-out images of the verdict, and compare."""
    held_out = open_packages(packages, champion.config.image_size_px, "held_out")
    progress = Progress("publish", len(held_out.listed) + verdict.generated_images, "images")
    real, generated = (
        extract(images, random_stream(verdict.seed, "patches"), progress)
        for images in (held_out, generate(champion, verdict.generated_images, verdict.seed))
    )
    theirs, ours = generated.frechet_random(real), verdict.metrics["frechet_random"]
    comparison = f"frechet_random is {ours:.4g}, and {theirs:.4g} for version {number}, on the same images"
    return _Decision(ours < theirs, comparison)


def _write_receipt(path: Path, registry: Registry, version: Version, decision: _Decision) -> None:
    receipt = {
        "registry": registry.uri,
        "model": version.uri,
        "aliases": [CANDIDATE, CHAMPION] if decision.is_champion else [CANDIDATE],
        "champion_decision": decision.reason,
    }
    write_json(path, receipt)
