"""The verdict lets fresh images of the same product pass, and says what is wrong with others.

Dimensions: N images, F features, C channels, H W pixels.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from benchmarks import spoiled
from fabgan.components.artifacts.packages import Packages, open_packages
from fabgan.components.artifacts.verdict import Check, Outcome, outcome_of
from fabgan.components.core.errors import UserError
from fabgan.components.core.progress import Progress
from fabgan.components.measures import spoiling
from fabgan.components.measures.comparison import MEASURES, compare
from fabgan.components.measures.judge import judge, standard_error
from fabgan.components.measures.parameters import EvaluateParameters
from fabgan.components.measures.real import Real, divided, measure_real
from fabgan.model.measures.copies import turned
from fabgan.model.streams import random_stream
from tests.unit.test_features import EXTRACTOR, extracted
from tests.unit.test_floors import PER_LOT, packages

SIDE = 160
PARAMS = EvaluateParameters(min_ser=0.8, max_ser=1.25)
LISTED = packages({"a": (6, 2), "b": (4, 1)})
FRESH = 36
CHECKS = [
    *MEASURES,
    "two_sample_auc",
    "outlier_share",
    "far_outlier_share",
    "repeated_share",
    "broken_share",
    "ser1",
    "ser2",
    "lot_divisions",
    "copied_share",
    "copied_images",
    "membership_auc",
    "membership_at_1_percent",
]


def product(name: str, count: int) -> Tensor:
    """Return random textures under lines that all of them share, uint8."""
    stream = random_stream(name)
    coarse, fine = (torch.randn(count, 3, SIDE // step, SIDE // step, generator=stream) for step in (4, 1))
    texture = functional.interpolate(coarse, size=(SIDE, SIDE), mode="bicubic")
    line = ((torch.arange(SIDE) + 20) % 40 < 3).float()
    return spoiling.as_uint8(25 * texture + 4 * fine + 120 + 60 * torch.maximum(line, line[:, None]))


@cache
def real_images() -> Tensor:
    return product("real", len(LISTED))


@cache
def real() -> Real:
    return divided(extracted(real_images()), Packages(Path(), SIDE, LISTED), 1)


@cache
def fresh() -> Tensor:
    return product("fresh", FRESH)


def products() -> Tensor:
    """Return the numbers of the products of the held-out images."""
    return real().products_N[real().held_out_N]


def training() -> Tensor:
    return real_images()[~real().held_out_N]


def verdict(x_NCHW: Tensor) -> tuple[Outcome, set[str]]:
    """Return the outcome, and the names of the measures that object."""
    outcome, reasons = outcome_of(judge(extracted(x_NCHW), real(), PARAMS).checks)
    return outcome, {reason.split()[0] for reason in reasons}


def with_copies(copies: Tensor) -> Tensor:
    return torch.cat([copies, fresh()[len(copies) :]])


def test_fresh_images_of_the_same_product_pass_every_check() -> None:
    found = judge(extracted(fresh()), real(), PARAMS)
    assert outcome_of(found.checks) == ("exportable", [])
    assert [check.name for check in found.checks] == CHECKS
    assert {len(values) for values in (found.likeness.similarity_N, found.excess_2N[0], found.strangeness_N)} == {FRESH}


def with_seam(x_NCHW: Tensor) -> Tensor:
    x = x_NCHW.float()
    x[..., SIDE // 2 :] += 25
    return spoiling.as_uint8(x)


def with_grey_quarter(x_NCHW: Tensor) -> Tensor:
    x = x_NCHW.clone()
    x[..., : SIDE // 2, SIDE // 2 :] = 128
    return x


def with_garbage(x_NCHW: Tensor) -> Tensor:
    x, middle = x_NCHW.clone(), slice(SIDE // 4, 3 * SIDE // 4)
    x[..., middle, middle] = spoiling.noisy(x[..., middle, middle], 120)
    return x


SPOILED: dict[str, tuple[Callable[[Tensor], Tensor], set[str]]] = {
    "blur": (lambda x: spoiling.blurred(x, 1), {"spectrum_db", "kernel_distance", "kernel_distance_patches"}),
    "noise": (lambda x: spoiling.noisy(x, 20), {"spectrum_db", "kernel_distance", "kernel_distance_patches"}),
    "tint": (lambda x: spoiling.tinted(x, 40), {"kernel_distance", "precision", "recall", "coverage"}),
    "lattice": (lambda x: spoiling.with_lattice(x, 12, 8), {"lattice_db"}),
    "one image": (lambda x: x[:1].expand(FRESH, -1, -1, -1), {"kernel_distance", "recall", "repeated_share"}),
    "images that come in pairs": (lambda x: x[: FRESH // 2].repeat(2, 1, 1, 1), {"repeated_share"}),
    "garbage once": (lambda x: torch.cat([spoiling.noisy(x[:1], 120), x[1:]]), {"far_outlier_share"}),
    "a seam": (with_seam, {"ser1", "ser2"}),
    "a spoiled quarter": (with_grey_quarter, {"kernel_distance_worst_quarter", "kernel_distance_patches"}),
    "faded colours": (lambda x: (x.float().mean(dim=1, keepdim=True) * 0.7 + x * 0.3).byte(), {"colour_db"}),
    "a foreign half": (lambda x: spoiled.with_foreign_half(x, 0.37), {"broken_share"}),
    "stuck rows": (lambda x: spoiled.with_stuck_rows(x, 8), {"broken_share"}),
    "some garbage": (lambda x: torch.cat([spoiling.noisy(x[:12], 120), x[12:]]), {"outlier_share"}),
    "garbage in the middle of some": (lambda x: torch.cat([with_garbage(x[:12]), x[12:]]), {"outlier_share"}),
    "copies": (lambda _: training()[:FRESH], {"copied_share", "copied_images", "membership_auc"}),
    "turned copies": (lambda _: with_copies(turned(training()[:6], 5)), {"copied_share", "copied_images"}),
}


@pytest.mark.parametrize(("spoil", "objections"), SPOILED.values(), ids=SPOILED)
def test_spoiled_images_are_refused_for_what_is_wrong(spoil: Callable[[Tensor], Tensor], objections: set[str]) -> None:
    outcome, found = verdict(spoil(fresh()))
    assert outcome == "refused"
    assert objections <= found


def test_copies_alone_are_what_is_wrong_with_images_that_are_as_good_as_real() -> None:
    assert verdict(with_copies(training()[:2])) == ("refused", {"copied_share", "copied_images"})


def test_a_single_copy_keeps_a_generator_inside_the_fab() -> None:
    checks = judge(extracted(with_copies(training()[:1])), real(), replace(PARAMS, max_copied_share=0.05)).checks
    assert outcome_of(checks) == ("candidate", ["copied_images 1 is above 0"])


def test_a_quarter_that_was_copied_counts_as_a_copy() -> None:
    mixed, half = fresh().clone(), SIDE // 2
    mixed[:6, :, :half, :half] = training()[:6, :, :half, :half]
    assert verdict(mixed)[1] >= {"copied_images"}


@pytest.mark.parametrize("field", ["whole_NF", "patches_NPF", "octaves_NO", "lattices_NL"])
def test_a_value_that_is_not_finite_fails(field: str) -> None:
    generated = extracted(fresh())
    broken = getattr(generated, field).clone()
    broken[3] = torch.nan
    checks = judge(replace(generated, **{field: broken}), real(), PARAMS).checks
    outcome, reasons = outcome_of(checks)
    assert outcome == "refused"
    assert [reason for reason in reasons if reason.endswith("could not be computed")]
    assert all(check.value is None or math.isfinite(check.value) for check in checks)


def test_no_check_at_all_is_refused() -> None:
    assert outcome_of([]) == ("refused", [])


def test_checks_that_decide_nothing_refuse_nothing() -> None:
    shown = Check("density", 0.0, 0.0, 1.0, 0.5, None, "nothing", "")
    assert outcome_of([shown]) == ("exportable", [])
    assert outcome_of([shown, replace(shown, decides="exportable")])[0] == "candidate"
    assert outcome_of([shown, replace(shown, decides="candidate")])[0] == "refused"


def test_real_images_against_themselves_are_at_no_distance() -> None:
    values = compare(real().held_out, real().held_out, products())
    assert values.keys() == MEASURES.keys()
    assert (values["precision"], values["recall"], values["coverage"]) == (1, 1, 1)
    assert (values["spectrum_db"], values["lattice_db"]) == (0, 0)
    assert values["frechet_distance"] == pytest.approx(0, abs=1e-9)
    assert values["kernel_distance"] < 0


def test_the_worst_quarter_counts_for_itself() -> None:
    held_out = real().held_out
    patches = held_out.patches_NPF.clone()
    patches[:, 2] += 0.5
    values, alike = (
        compare(replace(held_out, patches_NPF=each), held_out, products()) for each in (patches, held_out.patches_NPF)
    )
    assert values["kernel_distance_worst_quarter"] > 3 * values["kernel_distance_patches"] > 0
    assert alike["kernel_distance_worst_quarter"] < 0
    assert values["kernel_distance"] == alike["kernel_distance"]


def test_the_product_that_is_shown_worst_counts_for_itself() -> None:
    held_out = real().held_out
    moved = held_out.whole_NF + 100 * (products() == 1)[:, None]
    one_missing = held_out.chosen(products() == 0)
    apart = replace(held_out, whole_NF=moved)
    found = compare(one_missing, apart, products())
    assert found["recall_worst_product"] == 0 < found["recall"]
    assert compare(apart, apart, products())["recall_worst_product"] == 1
    assert "recall_worst_product" not in compare(apart, apart, torch.zeros_like(products()))


def test_the_worst_of_few_products_is_shown_no_better_than_all_are() -> None:
    """Neighbourhoods of few images are small on both sides: three real ones lie two neighbours away, and not three."""
    every = real().held_out
    few, generated = (
        replace(every.chosen(torch.arange(len(at))), whole_NF=torch.tensor(at)[:, None])
        for at in ([12.0, 12.1, 12.2], [float(number) for number in range(10)])
    )
    found = compare(generated, few, torch.tensor([0, 0, 1]))
    assert found["recall_worst_product"] == found["recall"] == 0


def test_twice_the_power_in_an_octave_is_three_decibels() -> None:
    held_out = real().held_out
    octaves = held_out.octaves_NO.clone()
    octaves[:, 2] -= 1
    found = compare(replace(held_out, octaves_NO=octaves), held_out, products())
    assert found["spectrum_db"] == pytest.approx(3.01, abs=0.001)
    assert found["lattice_db"] == 0


def test_two_lots_of_one_product_are_too_few_to_judge_by() -> None:
    for lots, judged in ((2, False), (3, True)):
        listed = packages({"a": (lots, 1)})
        every = divided(extracted(product("few", len(listed))), Packages(Path(), SIDE, listed), 1)
        (check,) = (one for one in judge(extracted(fresh()), every, PARAMS).checks if one.name == "lot_divisions")
        assert (check.value, check.passed, check.decides) == (lots, judged, "candidate")


def test_real_images_are_measured_in_the_order_of_their_list(packages: Path) -> None:
    listed = open_packages(packages, 64)
    found = measure_real(listed, EXTRACTOR, 1, Progress("test", len(listed.listed), "images"))
    held_out = torch.stack(list(open_packages(packages, 64, "held_out")))
    trained = torch.stack(list(open_packages(packages, 64, "train")))
    torch.testing.assert_close(found.held_out.whole_NF, EXTRACTOR.whole(held_out))
    torch.testing.assert_close(found.training.whole_NF, EXTRACTOR.whole(trained))


def test_one_held_out_image_is_refused() -> None:
    listed = [LISTED[0], *(package for package in LISTED if package.split == "train")]
    with pytest.raises(UserError, match=r"only 1 held-out image\(s\); raise ingest.held_out_share"):
        measure_real(Packages(Path("packages"), SIDE, listed), EXTRACTOR, 1, Progress("test", 1, "images"))
    assert PER_LOT > 1


def test_flat_real_images_are_refused() -> None:
    flat = torch.full((len(LISTED), 3, SIDE, SIDE), 128, dtype=torch.uint8)
    every = divided(extracted(flat), Packages(Path(), SIDE, LISTED), 1)
    with pytest.raises(UserError, match="seams cannot be measured: the real images have no structure"):
        judge(extracted(fresh()), every, PARAMS)


@pytest.mark.parametrize(("count", "size"), [(1000, 40), (1000, 150), (256, 128)])
def test_the_standard_error_is_how_far_the_value_varies_with_the_images(count: int, size: int) -> None:
    stream, values, errors = torch.Generator().manual_seed(1), [], []
    for _ in range(400):
        images_N = torch.randn(count, generator=stream)
        means = torch.stack([images_N[torch.randperm(count, generator=stream)[:size]].mean() for _ in range(8)])
        values.append(means.mean())
        errors.append(standard_error(means, size / count) ** 2)
    assert float(torch.tensor(errors).mean().sqrt()) == pytest.approx(float(torch.stack(values).std()), rel=0.15)


def test_the_standard_error_of_a_single_subset_is_not_known() -> None:
    assert standard_error(torch.ones(1), 0.5) == 0
    assert standard_error(torch.rand(8), 1.0) == 0
