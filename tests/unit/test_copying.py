"""What counts as a copy of a training image, and what tells training images from held-out ones."""

from dataclasses import replace

import pytest
import torch

from fabgan.components.artifacts.verdict import outcome_of
from fabgan.components.measures.copying import copy_checks, excess, membership_checks
from fabgan.components.measures.parameters import EvaluateParameters
from fabgan.model.measures.copies import Likeness


def likeness(similarities: list[float], parts: list[float]) -> Likeness:
    none_N = torch.zeros(len(similarities), dtype=torch.int64)
    return Likeness(torch.tensor(similarities), torch.tensor(parts), none_N, none_N, none_N, none_N)


def test_a_copy_is_more_like_training_than_half_way_from_the_most_alike_held_out_image_to_an_exact_copy() -> None:
    new = likeness([0.6, 0.6, 0.1], [0.9, 0.9, 0.3])  # limits 0.8 and 0.95
    made = likeness([0.79, 0.81, 0.1, 0.1], [0.94, 0.1, 0.96, 0.94])
    share, count = copy_checks(excess(made, new), EvaluateParameters())
    assert (share.name, share.value, share.passed) == ("copied_share", 0.5, False)
    assert (count.name, count.value, count.passed, count.decides) == ("copied_images", 2, False, "exportable")
    assert all(check.passed for check in copy_checks(excess(new, new), EvaluateParameters()))


def test_a_near_duplicate_among_held_out_images_hides_no_copies() -> None:
    made, new = likeness([0.81, 0.5], [0.5, 0.5]), likeness([0.9995, 0.6, 0.1], [0.7, 0.9, 0.3])
    share, _ = copy_checks(excess(made, new), EvaluateParameters())
    assert (share.value, share.passed) == (0.5, False)


def test_held_out_images_that_copy_parts_of_training_ones_make_no_copies_of_others() -> None:
    new = likeness([0.5] * 3, [1.0000002] * 3)
    assert not (excess(likeness([0.5, 0.1], [0.9, 0.1]), new) > 0).any()


def test_the_excess_is_1_for_an_exact_copy_and_0_at_the_limit() -> None:
    new = likeness([0.6, 0.6, 0.1], [0.9, 0.9, 0.3])
    found_2N = excess(likeness([1.0, 0.8, 0.2], [0.95, 1.0, 0.9]), new)
    torch.testing.assert_close(found_2N, torch.tensor([[1.0, 0.0, -3.0], [0.0, 1.0, -1.0]]))


def test_membership_is_seen_when_generated_images_lie_nearer_to_training_images() -> None:
    near, far = torch.linspace(0, 1, 101), torch.linspace(1, 2, 201)
    auc, caught = membership_checks(near, far, EvaluateParameters())
    assert auc.value == pytest.approx(1, abs=1e-4)
    assert (auc.passed, auc.decides) == (False, "exportable")
    assert caught.value == pytest.approx(1, abs=0.02)
    auc, caught = membership_checks(far, far, EvaluateParameters())
    assert (auc.value, auc.passed) == (0.5, True)
    assert caught.value == pytest.approx(0.01, abs=0.005)


def test_copies_that_could_not_be_searched_for_are_refused() -> None:
    known = Likeness(*(torch.tensor([0.1, 0.2]) for _ in range(6)))
    unknown = replace(known, similarity_N=torch.tensor([0.1, torch.nan]))
    for made, new in ((unknown, known), (known, unknown)):
        outcome, reasons = outcome_of(copy_checks(excess(made, new), EvaluateParameters()))
        assert outcome == "refused"
        assert "copied_share could not be computed" in reasons


def test_a_membership_that_could_not_be_inferred_is_not_exportable() -> None:
    near, unknown = torch.tensor([0.1, 0.2]), torch.tensor([0.1, torch.nan])
    for training, held_out in ((near, unknown), (unknown, near)):
        outcome, reasons = outcome_of(membership_checks(training, held_out, EvaluateParameters()))
        assert outcome == "candidate"
        assert reasons == ["membership_auc could not be computed"]
