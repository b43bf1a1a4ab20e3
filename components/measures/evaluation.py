"""Measure a generator. `evaluate` does so for its verdict, and `publish` again before it believes a verdict.

Dimensions: N images.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from statistics import mean, stdev
from typing import Any

import torch
from torch import Tensor

from fabgan.model.measures.distances import frechet_distance
from fabgan.model.streams import random_stream

from ..artifacts.generator import SEEN, Generator, generate, origins
from ..artifacts.manifest import PackageManifest, manifest_digest, read_manifest
from ..artifacts.packages import Packages, held_out_sha256, load_labels, open_packages, photographs
from ..artifacts.verdict import Check, Verdict, check_of, outcome_of
from ..core.errors import UserError
from ..core.progress import Progress
from .copying import copied
from .extractors import Extractor, efficientnet_lite1, inception, open_extractor
from .features import extract
from .groups import groups_of
from .judge import Judgement, judge
from .parameters import EvaluateParameters
from .real import Real, measure_real

SHOWN_IMAGES = 36
SEEN_MEASURE = "held_out_seen"


@dataclass(frozen=True)
class Evaluation:
    """A verdict, and what a report shows of the images behind it."""

    verdict: Verdict
    judgement: Judgement
    real: Real
    extractor: Extractor
    shown: list[Tensor]
    """The first `SHOWN_IMAGES` of the generated images."""


def evaluation_of(
    generator: Generator,
    card: Mapping[str, Any],
    packages: Path,
    params: EvaluateParameters,
    step: str,
    real: Real | None = None,
) -> Evaluation:
    """Measure a generator with its card against the images of the `packages` folder; `step` names the progress.

    `real` is what an evaluation of a generator of the same size measured of these images. It is not measured again.
    Raises UserError for too few held-out images, for images that cannot be measured, and for a generator of colour
    beside grey packages or the other way round.
    """
    _check_channels(generator, packages)
    images = generate(generator, params.generated_images, params.seed)
    size_px = generator.config.image_size_px
    further = [_seen_check(card, packages, size_px)]
    if params.usefulness:
        further.append(_usefulness(generator, card.get("classes", []), packages, params))
    known = origins(generator, params.generated_images, params.seed, card.get("classes", []))
    return _judged(images, card["weights_sha256"], packages, size_px, params, step, further, known, real)


def _check_channels(generator: Generator, packages: Path) -> None:
    made, there = generator.config.channels, read_manifest(packages, PackageManifest).channels
    if made != there:
        colours = ["grey" if channels == 1 else "colour" for channels in (there, made)]
        raise UserError(
            f"{packages}: images in {colours[0]}, but the generator makes them in {colours[1]}; train it with these "
            "packages, or set crop_resize.grey as it was"
        )


def _judged(
    images: Iterable[Tensor],
    weights_sha256: str,
    packages: Path,
    size_px: int,
    params: EvaluateParameters,
    step: str,
    further: Sequence[Check],
    known: Mapping[str, Sequence[str]],
    real: Real | None,
) -> Evaluation:
    """Measure generated images, C x H x W uint8, as `evaluation_of` does. `further` checks count in the verdict too.

    `known` are the kind and the class of each image.
    """
    listed, extractor = open_packages(packages, size_px), _extractor(params)
    progress = Progress(step, params.generated_images + (0 if real else len(listed.listed)), "images")
    real = real or measure_real(listed, extractor, params.seed, progress)
    fid = _Fid(params, listed) if params.inception_file else None
    shown = list[Tensor]()
    seen = _kept(fid.watched(images) if fid else images, shown)
    generated = extract(seen, extractor, random_stream(params.seed, "patches", "generated"), progress)
    judgement = judge(generated, real, params)
    checks = [*judgement.checks, *further, *([fid.check()] if fid else [])]
    outcome, reasons = outcome_of(checks)
    verdict = Verdict(
        outcome=outcome,
        reasons=reasons,
        checks=checks,
        weights_sha256=weights_sha256,
        data_sha256=manifest_digest(packages),
        held_out_sha256=held_out_sha256(packages, size_px),
        extractor=f"{extractor.name} {extractor.sha256}",
        training_images=len(real.training),
        held_out_images=len(real.held_out),
        generated_images=params.generated_images,
        seed=params.seed,
        groups=groups_of(generated, real, listed.listed, copied(judgement.excess_2N), known),
    )
    return Evaluation(verdict, judgement, real, extractor, shown)


def _kept(images: Iterable[Tensor], shown: list[Tensor]) -> Iterator[Tensor]:
    """Yield images, and put the first ones into a list."""
    for x_CHW in images:
        if len(shown) < SHOWN_IMAGES:
            shown.append(x_CHW)
        yield x_CHW


def _extractor(params: EvaluateParameters) -> Extractor:
    file = params.extractor_file
    return open_extractor(file, params.extractor_sha256) if file else efficientnet_lite1()


def _seen_check(card: Mapping[str, Any], packages: Path, size_px: int) -> Check:
    seen = card.get(SEEN)
    known = photographs(packages, size_px, "held_out") & set(seen or [])
    return check_of(
        name=SEEN_MEASURE,
        value=None if seen is None else float(len(known)),
        at_most=0.0,
        meaning=(
            "Number of held-out photographs that the generator, or what it started from, was trained with. "
            "If there are any, every other measure is too good."
        ),
    )


def _usefulness(generator: Generator, classes: Sequence[str], packages: Path, params: EvaluateParameters) -> Check:
    """Return the check of how much generated images improve an inspection model."""
    from .usefulness import usefulness  # scikit-learn takes as long to import as torch, and few ask for this check

    if not classes:
        raise UserError("evaluate.usefulness: the generator was trained without labels; see train.seamless.labels")
    size_px, count = generator.config.image_size_px, -(-params.generated_images // len(classes))
    seen, held_out = (open_packages(packages, size_px, split) for split in ("train", "held_out"))
    synthetic = chain.from_iterable(generate(generator, count, params.seed, label) for label in range(len(classes)))
    found = usefulness(
        seen,
        load_labels(packages, "train").all_names,
        held_out,
        load_labels(packages, "held_out").all_names,
        synthetic,
        [name for name in classes for _ in range(count)],
        params.seed,
    )
    return check_of(
        name="usefulness_gain",
        value=found.gain,
        deviation=stdev(found.gains) / len(found.gains) ** 0.5,
        at_least=found.gain - found.gain_high,  # fails where the upper end of the interval lies below 0
        meaning=(
            "Mean gain of an inspection model in average precision on held-out lots, beside classical augmentation. "
            f"Its 95% interval is {found.gain_low:.3f} .. {found.gain_high:.3f}, and must not lie below 0. It reaches "
            f"{mean(found.real):.3f} without any augmentation, {mean(found.augmented):.3f} with the classical one, and "
            f"{mean(found.synthetic):.3f} with generated images as well. Higher is better."
        ),
    )


class _Fid:
    """The Frechet Inception distance (Heusel et al. 2017, arXiv:1706.08500) of generated images to all real ones."""

    def __init__(self, params: EvaluateParameters, real: Packages) -> None:
        self._network = inception(params.inception_file, params.inception_sha256)
        self._real_NF = torch.cat([self._network.whole(x_CHW[None]) for x_CHW in real])
        self._generated = list[Tensor]()

    def watched(self, images: Iterable[Tensor]) -> Iterator[Tensor]:
        """Yield the images, and keep their features."""
        for x_CHW in images:
            self._generated.append(self._network.whole(x_CHW[None]))
            yield x_CHW

    def check(self) -> Check:
        """Return the distance of the images that were watched."""
        return check_of(
            name="fid",
            value=frechet_distance(torch.cat(self._generated), self._real_NF),
            decides="nothing",
            meaning="Frechet Inception distance to all real images. Lower is better.",
        )
