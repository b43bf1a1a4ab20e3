"""What the limits would see on this data: held-out images are spoiled on purpose and checked as generated ones.

Limits stand on how much real lots differ, so where they differ much, mild spoiling passes. The spoiled images are
compared with a set that holds them unspoiled, so they lie nearer to it than new images would. So the table rather
claims too little than too much.

Dimensions: N images, C channels, H W pixels.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from fabgan.model.streams import random_stream

from ..artifacts.manifest import Package
from ..artifacts.packages import Packages
from ..artifacts.parallel import in_parallel
from ..artifacts.verdict import Check, Sensitivity, Sight
from ..core.progress import Progress
from .extractors import Extractor
from .features import Features, extract
from .floors import lots_by_product
from .judge import break_check, classifier_check, distance_checks, outlier_checks, seam_checks
from .parameters import EvaluateParameters
from .real import Real
from .spoiling import blurred, compressed, faded, noisy, tinted, with_lattice

IMAGES = 16
"""Number of held-out images that are spoiled. It bounds the time and the memory."""
MIN_IMAGES = 8
"""With fewer images, chance decides."""
RGB = 3


@dataclass(frozen=True)
class _Kind:
    """A way to spoil one image, 1 x C x H x W, and its grades, rising. The last argument numbers the image."""

    name: str
    spoil: Callable[[Tensor, float, int], Tensor]
    grades: Sequence[float]


KINDS = (
    _Kind("blur_px", lambda x, sigma_px, _: blurred(x, sigma_px), (0.5, 1, 2, 4)),
    _Kind("noise_levels", lambda x, sigma, number: noisy(x, sigma, f"noise {number}"), (2, 5, 10)),
    _Kind("jpeg_loss", lambda x, loss, _: compressed(x, 100 - int(loss)), (70,)),
    _Kind("lattice_8px_levels", lambda x, height, _: with_lattice(x, height, 8), (1, 3, 6)),
)
COLOUR_KINDS = (
    _Kind("colour_loss", lambda x, share, _: faded(x, share), (0.25, 0.5)),
    _Kind("tint_levels", lambda x, shift, _: tinted(x, shift), (5, 20)),
)
LOTS_MISSING = 0.5


def sensitivity_of(held_out: Packages, real: Real, extractor: Extractor, params: EvaluateParameters) -> Sensitivity:
    """Return the smallest grade of each kind of spoiling that the limits refuse.

    `held_out` are the packages of `real.held_out`, in the same order.
    """
    count = len(held_out.listed)
    if count < MIN_IMAGES:
        return Sensitivity(0, [], f"there are {count} held-out images, and at least {MIN_IMAGES} are needed")
    order = torch.randperm(count, generator=random_stream(params.seed, "sensitivity"))[:IMAGES]
    refusing = _refusing_at_last(real.held_out.chosen(order), real, params)
    if refusing:
        return Sensitivity(len(order), [], f"the unspoiled images are refused, by {', '.join(refusing)}")
    images = list(held_out.chosen(order.tolist()))
    kinds = [*KINDS, *(COLOUR_KINDS if len(images[0]) == RGB else [])]
    progress = Progress("evaluate", len(images) * sum(len(kind.grades) for kind in kinds), "spoiled images")
    sights = [_sight(kind, images, real, extractor, params, progress) for kind in kinds]
    return Sensitivity(len(order), [*sights, *_without_lots(held_out, real, params)], "")


def _sight(
    kind: _Kind,
    images: Sequence[Tensor],
    real: Real,
    extractor: Extractor,
    params: EvaluateParameters,
    progress: Progress,
) -> Sight:
    """Try the grades of a kind until one is refused. The classifier is asked about the strongest grade alone."""
    for at, grade in enumerate(kind.grades):
        features = extract(
            _spoiled(kind, grade, images), extractor, random_stream(params.seed, "patches", "spoiled"), progress
        )
        refusing_of = _refusing_at_last if grade == kind.grades[-1] else _refusing
        if refusing := refusing_of(features, real, params):
            progress.advance(len(images) * (len(kind.grades) - at - 1))
            return Sight(kind.name, grade, grade, refusing)
    return Sight(kind.name, None, kind.grades[-1], [])


def _spoiled(kind: _Kind, grade: float, images: Sequence[Tensor]) -> Iterator[Tensor]:
    def spoiled(numbered: tuple[int, Tensor]) -> Tensor:
        number, x_CHW = numbered
        return kind.spoil(x_CHW[None], grade, number)[0]

    return in_parallel(spoiled, enumerate(images), lambda numbered: numbered[1][0].numel())


def _without_lots(held_out: Packages, real: Real, params: EvaluateParameters) -> Iterator[Sight]:
    """Yield what is seen of lots missing, if any can be missing and images enough are left."""
    places = torch.tensor(places_of_kept_lots(held_out.listed, params.seed))
    if not MIN_IMAGES <= len(places) < len(held_out.listed):
        return
    order = torch.randperm(len(places), generator=random_stream(params.seed, "lots"))[:IMAGES]
    refusing = _refusing_at_last(real.held_out.chosen(places[order]), real, params)
    yield Sight("lots_missing", LOTS_MISSING if refusing else None, LOTS_MISSING, refusing)


def places_of_kept_lots(listed: Sequence[Package], seed: int) -> list[int]:
    """Return which packages are left when `LOTS_MISSING` of each product's lots are missing: at least one lot of it."""
    draw = random.Random(f"{seed} lots missing")  # noqa: S311 (no cryptography)
    kept = {
        (product, lot)
        for product, lots in lots_by_product(listed).items()
        for lot in draw.sample(lots, max(int(len(lots) * (1 - LOTS_MISSING)), 1))
    }
    return [place for place, package in enumerate(listed) if (package.product, package.lot) in kept]


def _refusing(features: Features, real: Real, params: EvaluateParameters) -> list[str]:
    """Return the names of the checks that refuse images, but for the classifier, which takes long."""
    checks = [
        *distance_checks(features, real, params, with_errors=False),
        *outlier_checks(features, real, params),
        break_check(features, real, params),
        *seam_checks(features, real, params),
    ]
    return _failed(checks)


def _refusing_at_last(features: Features, real: Real, params: EvaluateParameters) -> list[str]:
    """Return the names of the checks that refuse images. The classifier is asked if no other check refuses."""
    return _refusing(features, real, params) or _failed([classifier_check(features, real, params)[0]])


def _failed(checks: Sequence[Check]) -> list[str]:
    return [check.name for check in checks if check.decides == "candidate" and not check.passed]
