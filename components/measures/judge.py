"""The checks of generated images beside real ones, with limits that stand on what real lots keep from each other.

Dimensions: N images.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from math import inf

import torch
from torch import Tensor

from fabgan.model.measures.breaks import RARE, broken_share
from fabgan.model.measures.copies import Likeness
from fabgan.model.measures.seams import seam_visibility
from fabgan.model.streams import random_stream

from ..artifacts.verdict import Check, check_of
from ..core.errors import UserError
from .comparison import MEASURES, compare
from .copying import copy_checks, excess, membership_checks
from .features import Features
from .parameters import EvaluateParameters
from .real import Real
from .two_sample import told_apart

SUBSETS = 8
"""Random subsets of the generated images that are measured."""
TAIL = 0.05
"""Share of the splits of real lots beyond each bound of the range that limits are relative to."""
DISTANCE_BY_CHANCE = 0.0
"""Expected distance of images drawn at random. That of lots is below it where each lot has some of everything."""
WIDENED_BY = 0.5
"""How much the range of a share of images is widened, in widths. It is a number of images, so it varies little."""
RAISED_BY = 2.0
"""Real lots that differ raise the limit of outliers at most by this factor."""
MIN_DIVISIONS = 3
"""With two lots of one product there are two divisions, whose values are the same."""


@dataclass(frozen=True)
class Judgement:
    """All checks of generated images, and what was found about each of them."""

    checks: list[Check]
    likeness: Likeness
    """How they are like training images."""
    excess_2N: Tensor
    """How far the likeness of the whole image, and that of a part, lie beyond what counts as a copy: 1 is an exact one,
    0 and below is none. See `copied`."""
    strangeness_N: Tensor
    """Scores of the classifier: the higher, the more surely an image was told from real ones."""


def judge(generated: Features, real: Real, params: EvaluateParameters) -> Judgement:
    """Judge generated images beside real ones."""
    made = real.likeness(generated)
    excess_2N = excess(made, real.new)
    told, strangeness_N = classifier_check(generated, real, params)
    nearest_training_N, nearest_held_out_N = (
        torch.cdist(features.whole_NF, generated.whole_NF).amin(dim=1) for features in (real.training, real.held_out)
    )
    checks = [
        *distance_checks(generated, real, params),
        told,
        *outlier_checks(generated, real, params),
        repetition_check(generated, real, params),
        break_check(generated, real, params),
        *seam_checks(generated, real, params),
        division_check(real),
        *copy_checks(excess_2N, params),
        *membership_checks(nearest_training_N, nearest_held_out_N, params),
    ]
    return Judgement(checks, made, excess_2N, strangeness_N)


def classifier_check(generated: Features, real: Real, params: EvaluateParameters) -> tuple[Check, Tensor]:
    """Return the check of the two-sample classifier, and its scores of the generated images."""
    seen, new = real.training.texture_NPCRR, real.held_out.texture_NPCRR
    return told_apart(generated.texture_NPCRR, seen, new, real.told_apart, params.max_two_sample, params.seed)


def distance_checks(
    generated: Features, real: Real, params: EvaluateParameters, with_errors: bool = True
) -> list[Check]:
    """Return the checks of `MEASURES`. Groups of equal size are compared: most measures depend on it.

    Without errors it takes less time, because halves need not be compared for them.
    """
    size = min(len(generated), real.group_size)
    values = _compared(generated, real, size, params.seed)
    errors = _errors(generated, real, values, size, params.seed) if with_errors else dict.fromkeys(values, 0.0)
    floors = real.floors(size)
    return [_check(name, values[name], errors[name], floors[name], params) for name in MEASURES if name in values]


def _errors(generated: Features, real: Real, values: Mapping[str, Tensor], size: int, seed: int) -> dict[str, float]:
    """Return the standard errors of `MEASURES`, whose values are of subsets of a size."""
    # Subsets of nearly all images hardly differ, and halves do.
    part = min(size, max(len(generated) // 2, 2))
    spread = values if part == size else _compared(generated, real, part, seed)
    return {name: standard_error(values, part / len(generated)) for name, values in spread.items()}


def standard_error(values: Tensor, share: float) -> float:
    """Return the standard error of the mean of a measure's values, of random subsets with a share of the images each.

    Subsets have images in common, so their values are correlated, by that share, and vary too little among themselves.
    """
    if len(values) < 2 or share >= 1:
        return 0.0
    variance = float(values.var()) / (1 - share)
    return float((variance * (share + (1 - share) / len(values))) ** 0.5)


def _compared(generated: Features, real: Real, size: int, seed: int) -> dict[str, Tensor]:
    """Return the values of `MEASURES`, one for each of some random subsets of the generated images."""
    subsets = SUBSETS if size < len(generated) else 1
    streams = [random_stream(seed, "subset", at) for at in range(subsets)]
    products_M = real.products_N[real.held_out_N]
    found = [compare(generated.drawn(size, stream), real.held_out, products_M) for stream in streams]
    return {name: torch.tensor([values[name] for values in found]) for name in found[0]}


def _check(name: str, values: Tensor, error: float, floor: Tensor, params: EvaluateParameters) -> Check:
    measure, low = MEASURES[name], float(floor.quantile(TAIL))
    return check_of(
        name=name,
        value=float(values.mean()),
        deviation=error,
        floor=float(floor.median()),
        at_least=params.min_share * low if measure.limit == "at_least" else None,
        at_most=_widened(floor, params.max_distance, DISTANCE_BY_CHANCE)[1] if measure.limit == "at_most" else None,
        decides="nothing" if measure.limit == "none" else "candidate",
        meaning=measure.meaning,
    )


def outlier_checks(generated: Features, real: Real, params: EvaluateParameters) -> list[Check]:
    """Return the checks of single images that are unlike all real ones."""
    found, floor = real.distances.outliers(generated), real.outliers
    reached = _widened(floor, WIDENED_BY)[1] if len(floor) else 0.0
    return [
        check_of(
            name="outlier_share",
            value=found.beyond,
            floor=float(floor.median()) if len(floor) else None,
            at_most=min(max(reached, params.max_outliers), RAISED_BY * params.max_outliers),
            meaning="Share of images that are unlike every real one, as a whole or in a part. Lower is better.",
        ),
        check_of(
            name="far_outlier_share",
            value=found.far,
            at_most=params.max_far_outliers,
            meaning="Share of images that are so unlike every real one that they are garbage. Lower is better.",
        ),
    ]


def repetition_check(generated: Features, real: Real, params: EvaluateParameters) -> Check:
    """Return the check of generated images that are hardly anything but one another."""
    share = real.repetition.share(generated, params.seed)
    return check_of(
        name="repeated_share",
        value=share,
        floor=real.repetition.floor,
        at_most=real.repetition.floor + params.max_repeated,
        meaning=(
            "Share of images that are nearly equal to another generated one: half as far from it as real images are "
            "from each other, or nearer. Lower is better."
        ),
    )


def break_check(generated: Features, real: Real, params: EvaluateParameters) -> Check:
    """Return the check of straight breaks, wherever they lie: pictures that were joined, and stuck rows."""
    share, floor = broken_share(generated.breaks_N, real.held_out.breaks_N), real.broken(len(generated))
    return check_of(
        name="broken_share",
        value=share,
        floor=float(floor.median()),
        at_most=max(_widened(floor, WIDENED_BY)[1], RARE + params.max_outliers),
        meaning="Share of images with a straight break that is more visible than in 95% of real ones. Lower is better.",
    )


def _widened(floor: Tensor, by: float, reaching: float = -inf) -> tuple[float, float]:
    """Return the range of values of real lots, which ends at `reaching` or above, widened by so many of its widths."""
    low, high = float(floor.quantile(TAIL)), max(float(floor.quantile(1 - TAIL)), reaching)
    return low - by * (high - low), high + by * (high - low)


def seam_checks(generated: Features, real: Real, params: EvaluateParameters) -> list[Check]:
    """Return the checks of seams. Where lots differ by more than the limits in `params`, their range is the limit."""
    try:
        seams = seam_visibility(generated.differences_ND2, real.held_out.differences_ND2)
        floors = real.seams(len(generated))
    except ValueError as error:
        raise UserError(f"seams cannot be measured: {error}") from error
    meaning = "How visible the seams between regions are. 1 is as real, below 1 they are blurred."
    return [
        check_of(
            name=name,
            value=value,
            floor=float(floor.median()),
            at_least=min(params.min_ser, _widened(floor, params.max_distance)[0]),
            at_most=max(params.max_ser, _widened(floor, params.max_distance)[1]),
            meaning=meaning,
        )
        for (name, value), floor in zip(asdict(seams).items(), floors.T, strict=True)
    ]


def division_check(real: Real) -> Check:
    """Return the check that there are lots enough to say how much lots differ, on which the limits stand."""
    return check_of(
        name="lot_divisions",
        value=float(real.divisions),
        at_least=MIN_DIVISIONS,
        meaning=(
            "Number of different divisions of the real lots that the limits stand on. With fewer, nobody knows how "
            "much lots differ: photographs of more lots are needed. Higher is better."
        ),
    )
