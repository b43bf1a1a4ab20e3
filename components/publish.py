"""The publish step: a generator becomes a version in the MLflow registry, a candidate, and perhaps the champion.

The same weights make one version, however often they are published. A generator becomes champion if its verdict
allows it and there is no champion, or if it lies closer to the same held-out images than the champion does, which
is measured here and now with the same latents.
"""

import tempfile
from dataclasses import dataclass
from pathlib import Path

from components.errors import UserError
from components.files import write_json
from components.generators import load_card, load_generator
from components.judging import held_out_sha256, load_held_out
from components.parameters import digest, parameters
from components.provenance import git_commit
from components.tracking.registry import Registry, Version
from components.verdict import Verdict, read_verdict

CANDIDATE = "candidate"
CHAMPION = "champion"


@parameters
class PublishParameters:
    """The `publish` section of params.yaml."""

    model_name: str
    """Name of the registered model."""


@dataclass(frozen=True)
class _Decision:
    is_champion: bool
    reason: str


def run(
    params: PublishParameters, packages: Path, generator: Path, evaluation: Path, receipt: Path
) -> dict[str, float]:
    """Register the `generator` folder with what the `evaluation` folder says of it; write the JSON file `receipt`.

    Raises UserError where the verdict is about another generator, or the registry cannot be used.
    """
    load_generator(generator)
    card, verdict = load_card(generator), read_verdict(evaluation)
    if verdict.weights_sha256 != card["weights_sha256"]:
        raise UserError(f"{evaluation}: its verdict is about another generator than {generator}; run evaluate again")
    registry = Registry()
    known = registry.find(params.model_name, verdict.weights_sha256)
    tags = _tags(card, verdict)
    version = known or registry.register(params.model_name, generator, tags)
    registry.tag(version, tags)
    registry.set_alias(version, CANDIDATE)
    decision = _decide(registry, version, verdict, packages)
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
        "verdict": "passed" if verdict.passed else "; ".join(verdict.reasons),
        **{name: f"{value:.6g}" for name, value in verdict.metrics.items()},
    }


def _decide(registry: Registry, version: Version, verdict: Verdict, packages: Path) -> _Decision:
    champion = registry.with_alias(version.name, CHAMPION)
    if champion is not None and champion.number == version.number:
        return _Decision(True, "it is the champion already")
    if not verdict.passed:
        return _Decision(False, f"the verdict does not allow it: {'; '.join(verdict.reasons)}")
    if champion is None:
        return _Decision(True, "it passed, and there was no champion")
    return _against(champion, registry, verdict, packages)


def _against(champion: Version, registry: Registry, verdict: Verdict, packages: Path) -> _Decision:
    """Measure the champion on the held-out images of the verdict and compare."""
    with tempfile.TemporaryDirectory() as folder:
        registry.pull(champion, Path(folder))
        generator = load_generator(Path(folder))
    size_px = generator.config.image_size_px
    if held_out_sha256(packages, size_px) != verdict.held_out_sha256:
        return _Decision(False, f"version {champion.number} makes images of another size: choose between them yourself")
    held_out = load_held_out(packages, size_px, verdict.generated_images, verdict.seed)
    theirs, ours = held_out.frechet_random(held_out.samples(generator)), verdict.metrics["frechet_random"]
    comparison = f"frechet_random {ours:.4g}, and {theirs:.4g} of version {champion.number}, on the same images"
    return _Decision(ours < theirs, comparison)


def _write_receipt(path: Path, registry: Registry, version: Version, decision: _Decision) -> None:
    receipt = {
        "registry": registry.uri,
        "model": version.uri,
        "aliases": [CANDIDATE, CHAMPION] if decision.is_champion else [CANDIDATE],
        "champion_decision": decision.reason,
    }
    write_json(path, receipt)
