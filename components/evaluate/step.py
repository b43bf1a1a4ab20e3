"""The evaluate step: how far the generator's images are from real ones, how visible their seams are, and a verdict.

`frechet_random` is a Frechet distance on the features of a fixed random network. It is not FID. It is reported beside
two others. The floor is the distance between two halves of the real images. The ceiling is the distance of the same
generator before its first training step.
"""

from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

import torch
from torch import Tensor

from fabgan.model.streams import random_stream

from ..artifacts.generator import Generator, generate, load_card, load_generator, untrained_generator
from ..artifacts.packages import Packages, open_packages
from ..artifacts.sheets import image_grid, of_full_rows, side_by_side, with_corners
from ..artifacts.verdict import FILE_NAME as VERDICT
from ..artifacts.verdict import Verdict, write_verdict
from ..core.files import atomic_folder, check_replaceable
from ..core.images import Pixels, write_png
from ..core.progress import Progress
from ..measures.held_out import Features, Measures, RealFeatures, extract, extract_real, held_out_sha256, measure
from .parameters import EvaluateParameters

SHEET_IMAGES = 36
SHEET_COLUMNS = 6


def run(params: EvaluateParameters, packages: Path, generator: Path, report: Path) -> dict[str, float]:
    """Measure the `generator` folder against the `packages` folder; fill `report`; return the measures.

    `report` gets `verdict.json` and `samples_beside_real.png`. If the images are shown shrunk, the picture also has
    corners of some images at full resolution. Raises UserError for too few held-out images.
    """
    check_replaceable(report, VERDICT)
    card = load_card(generator)
    trained = load_generator(generator)
    real = open_packages(packages, trained.config.image_size_px)
    real_features, generated, untrained = _extract_all(trained, real, params)
    measures = measure(generated, untrained, real_features, params.seed)
    reasons = _objections(measures, params)
    verdict = Verdict(
        passed=not reasons,
        reasons=reasons,
        weights_sha256=card["weights_sha256"],
        held_out_sha256=held_out_sha256(packages, real.size_px),
        held_out_images=len(real_features.held_out.features_NF),
        generated_images=params.generated_images,
        seed=params.seed,
        metrics=asdict(measures),
    )
    sheet = _sheet(trained, open_packages(packages, real.size_px, "held_out"), params)
    with atomic_folder(report, VERDICT) as partial:
        write_verdict(partial, verdict)
        write_png(partial / "samples_beside_real.png", sheet)
    return {**asdict(measures), "passed": float(verdict.passed)}


def _extract_all(
    trained: Generator, real: Packages, params: EvaluateParameters
) -> tuple[RealFeatures, Features, Features]:
    """Return the features of real images, of generated ones, and of those of the untrained generator."""
    count, seed = params.generated_images, params.seed
    progress = Progress("evaluate", len(real.listed) + 2 * count, "images")
    real_features = extract_real(real, seed, progress)
    generated, untrained = (
        extract(generate(generator, count, seed), random_stream(seed, "patches", "generated"), progress)
        for generator in (trained, untrained_generator(trained, seed))
    )
    return real_features, generated, untrained


def _objections(measures: Measures, params: EvaluateParameters) -> list[str]:
    share = measures.frechet_random / measures.frechet_random_untrained
    objections = []
    if share > params.max_share_of_untrained:
        objections.append(
            f"frechet_random {measures.frechet_random:.4g} is {share:.2f} of the untrained generator's "
            f"{measures.frechet_random_untrained:.4g}; at most {params.max_share_of_untrained} is allowed"
        )
    for name, value, similar_to in (
        ("diversity", measures.diversity, "each other"),
        ("diversity_nearest", measures.diversity_nearest, "each other"),
        ("novelty", measures.novelty, "training images"),
    ):
        if value < params.min_diversity:
            objections.append(
                f"{name} {value:.3f} is below {params.min_diversity}: generated images are too similar to {similar_to}"
            )
    for name, ser in (("ser1", measures.ser1), ("ser2", measures.ser2)):
        if not params.min_ser <= ser <= params.max_ser:
            objections.append(f"{name} {ser:.3f} is outside {params.min_ser} .. {params.max_ser}")
    return objections


def _sheet(trained: Generator, held_out: Packages, params: EvaluateParameters) -> Pixels:
    """Return rows of generated images beside as many of real ones."""
    count = of_full_rows(min(SHEET_IMAGES, len(held_out.listed), params.generated_images), SHEET_COLUMNS)
    chosen = torch.randperm(len(held_out.listed), generator=random_stream(params.seed, "sheet"))[:count]
    shown: dict[str, Iterable[Tensor]] = {
        "generated": generate(trained, count, params.seed),
        "real, held out": held_out.chosen(chosen.tolist()),
    }
    return side_by_side(
        {caption: image_grid(with_corners(images, SHEET_COLUMNS), SHEET_COLUMNS) for caption, images in shown.items()}
    )
