"""The publish step: it measures a generator again, registers it, and decides whether it becomes champion.

The verdict file is not believed. The generator is measured anew, on the same images and with the same latents, and the
file must say the same. A refused generator is registered without an alias, so that its measures can be looked up. Any
other is a candidate. It becomes champion if there is none, or if it is closer to the held-out images by more than
chance explains. The same weights make one version, however often they are published.
"""

from collections.abc import Mapping
from dataclasses import asdict
from math import hypot, isclose
from pathlib import Path

from ..artifacts.generator import Generator, load_card, load_generator
from ..artifacts.manifest import manifest_digest
from ..artifacts.pages.publication import write_publication
from ..artifacts.verdict import Check, Verdict, read_verdict
from ..core.errors import OtherVersionError, UserError
from ..core.files import write_json
from ..core.parameters import digest
from ..core.provenance import code_of, git_commit
from ..measures.evaluation import SEEN_MEASURE, evaluation_of
from ..measures.parameters import EvaluateParameters
from ..measures.real import Real
from ..services.tracking.promotion import publish
from ..services.tracking.registry import Registry, Version
from .parameters import PublishParameters

DISTANCE = "kernel_distance"
DEVIATION = "kernel_distance_deviation"
IMAGES = "images"
"""Tag: size and colour of the images."""
MEASURED_WITH = "measured_with"
"""Tag: digest of the images, parameters and code behind the measures in the tags."""
CERTAINTY = 1.96
"""Standard errors by which a generator must be closer than the champion: 95%."""
TOLERANCE = 0.02
"""Difference between a value in the verdict file and the value that is measured here, or its share: rounding, no more.
Where there are few images, rounding changes a share by one of them."""
TRAINED = "two_sample_auc", "usefulness_gain"
"""Measures for which a network is trained, which amplifies rounding: they may differ by their standard error."""


def run(
    params: PublishParameters,
    measured_with: EvaluateParameters,
    packages: Path,
    generator: Path,
    evaluation: Path,
    receipt: Path,
    page: Path,
) -> dict[str, float]:
    """Register the `generator` folder with the verdict in the `evaluation` folder; write the JSON file `receipt`.

    `page` becomes an HTML page that shows the measures beside the champion's.

    `measured_with` are the parameters of `evaluate`. Raises UserError if the verdict is about another generator, other
    images or other parameters, if it does not say what is measured here, or if the registry cannot be used.
    """
    ours, card, stated = load_generator(generator), load_card(generator), read_verdict(evaluation)
    _check_subject(stated, card, packages, evaluation, generator)
    measured = evaluation_of(ours, card, packages, measured_with, "publish")
    verdict = measured.verdict
    _check_statement(stated, verdict, evaluation)
    registry = Registry()
    comparison = _Comparison(registry, packages, measured_with, measured.real)
    tags = _tags(card, verdict, ours, comparison.setting)
    publication = publish(registry, params.model_name, generator, tags, comparison.better)
    version, champion = publication.version, comparison.champion
    beside = (comparison.measures(champion), champion.uri) if champion else (None,)
    write_publication(page, version.uri, verdict, publication.aliases, publication.reason, *beside)
    said = {"registry": registry.uri, "model": version.uri, "verdict": verdict.outcome}
    write_json(receipt, {**said, "aliases": publication.aliases, "champion_decision": publication.reason})
    return {
        "version": version.number,
        "is_champion": float(publication.is_champion),
        "is_new": float(publication.is_new),
    }


def _check_subject(stated: Verdict, card: dict[str, object], packages: Path, evaluation: Path, generator: Path) -> None:
    if stated.weights_sha256 != card["weights_sha256"]:
        raise UserError(f"{evaluation}: its verdict is about a generator other than {generator}; run evaluate again")
    if stated.data_sha256 != manifest_digest(packages):
        raise UserError(f"{evaluation}: its verdict is about images other than those of {packages}; run evaluate again")


def _check_statement(stated: Verdict, verdict: Verdict, evaluation: Path) -> None:
    """Raise a UserError if a verdict file does not say what was measured here."""
    if stated.outcome != verdict.outcome:
        raise UserError(
            f"{evaluation}: its verdict says {stated.outcome}, but the generator is {verdict.outcome} "
            f"({'; '.join(verdict.reasons) or 'no objection'}); nothing was registered, run evaluate again"
        )
    said = stated.metrics
    if wrong := [check.name for check in verdict.checks if not _is_close(said.get(check.name), check)]:
        raise UserError(
            f"{evaluation}: its verdict says other values than are measured here ({', '.join(wrong)}); nothing was "
            "registered, run evaluate again"
        )


def _is_close(stated: float | None, check: Check) -> bool:
    """Return whether a stated value is the measured one but for rounding errors."""
    if stated is None or check.value is None:
        return stated is check.value
    allowed = check.deviation if check.name in TRAINED else 0.0
    return isclose(stated, check.value, rel_tol=TOLERANCE, abs_tol=max(TOLERANCE, allowed))


def _tags(card: dict[str, object], verdict: Verdict, ours: Generator, setting: str) -> dict[str, str]:
    return {
        "weights_sha256": verdict.weights_sha256,
        "data_sha256": str(card["data_sha256"]),
        "parameters_sha256": digest(card["parameters"]),
        "held_out_sha256": verdict.held_out_sha256,
        "git_commit": git_commit(),
        "verdict": verdict.outcome,
        "verdict_reasons": "; ".join(verdict.reasons),
        IMAGES: _image_type(ours),
        MEASURED_WITH: setting,
        **_measures(verdict),
    }


class _Comparison:
    """Compares versions by the distance of their images to the same held-out images."""

    def __init__(self, registry: Registry, packages: Path, params: EvaluateParameters, real: Real) -> None:
        self._registry, self._packages, self._params, self._real = registry, packages, params, real
        self.setting = digest([asdict(params), manifest_digest(packages), code_of("publish")])
        """Digest of all that a distance depends on beside the generator."""
        self.champion: Version | None = None
        """The champion that a version was compared with last."""
        self._known: dict[int, Mapping[str, str]] = {}

    def better(self, candidate: Version, champion: Version | None) -> tuple[bool, str]:
        """Return whether a version should replace the champion, and why.

        Raises UserError if a version cannot be measured.
        """
        verdict = candidate.tags["verdict"]
        self.champion = None
        if champion is None:
            return True, f"the verdict is {verdict}, and there was no champion"
        theirs, ours = (version.tags.get(IMAGES, "unknown size") for version in (champion, candidate))
        if theirs != ours:
            reason = f"makes images of {theirs}, this one {ours}; choose between the two yourself"
            return False, f"version {champion.number} {reason}"
        try:
            new, old = self.measures(candidate), self.measures(champion)
        except OtherVersionError as error:
            return False, f"{error}; or choose between version {champion.number} and this one yourself"
        self.champion = champion
        if fault := _fault(new):
            return False, f"it {fault}"
        if fault := _fault(old):
            return True, f"version {champion.number} {fault}"
        distance, best = float(new[DISTANCE]), float(old[DISTANCE])
        margin = CERTAINTY * hypot(float(new[DEVIATION]), float(old[DEVIATION]))
        said = f"{DISTANCE} is {distance:.4g}, and {best:.4g} for version {champion.number}, on the same images"
        return distance + margin < best, f"{said}; chance explains {margin:.2g} (95%)"

    def measures(self, version: Version) -> Mapping[str, str]:
        """Return the measures of a version on the present images: from its tags, or else measured."""
        if version.number not in self._known:
            tags = version.tags
            self._known[version.number] = tags if tags.get(MEASURED_WITH) == self.setting else self._measured(version)
        return self._known[version.number]

    def _measured(self, version: Version) -> dict[str, str]:
        with self._registry.pulled(version) as folder:
            theirs, card = load_generator(folder), load_card(folder)
        verdict = evaluation_of(theirs, card, self._packages, self._params, "publish", self._real).verdict
        return _measures(verdict)


def _fault(measures: Mapping[str, str]) -> str:
    """Return why a version with such measures cannot be champion beside one that passes; empty if it can."""
    if SEEN_MEASURE not in measures:
        return "does not say which photographs it was trained with, so that it may know held-out ones"
    if known := float(measures[SEEN_MEASURE]):
        return f"was trained with {known:g} of the held-out photographs"
    return "" if DISTANCE in measures else f"has no {DISTANCE} to these images that could be computed"


def _measures(verdict: Verdict) -> dict[str, str]:
    deviations = {check.name: check.deviation for check in verdict.checks}
    values = verdict.metrics | {DEVIATION: deviations[DISTANCE]}
    return {name: f"{value:.6g}" for name, value in values.items()}


def _image_type(generator: Generator) -> str:
    config = generator.config
    return f"{config.image_size_px} px in {'grey' if config.channels == 1 else 'colour'}"
