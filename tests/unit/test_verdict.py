"""A check says whether its value lies within its limits, and is read whole or not at all."""

import math
from dataclasses import asdict, replace

import pytest

from fabgan.components.artifacts.verdict import Check, check_of
from fabgan.components.core.errors import UserError
from fabgan.components.core.parameters import parse


@pytest.mark.parametrize("value", [None, math.nan, math.inf])
def test_a_value_that_is_no_finite_number_could_not_be_computed(value: float | None) -> None:
    assert check_of("fid", value, "").value is None


def test_a_check_that_lacks_a_limit_is_refused() -> None:
    whole = asdict(check_of("fid", 1.0, ""))
    assert parse(Check, whole, "verdict.json") == check_of("fid", 1.0, "")
    for lacking in whole:
        with pytest.raises(UserError, match=lacking):
            parse(Check, {name: value for name, value in whole.items() if name != lacking}, "verdict.json")


def test_an_objection_tells_the_value_from_the_limit() -> None:
    check = Check("ser1", 1.0804, 0.0, 1.0, 0.9, 1.0801, "candidate", "")
    assert check.objection == "ser1 1.0804 is above 1.0801"
    assert replace(check, value=2.0).objection == "ser1 2 is above 1.08"
    assert replace(check, value=0.5).objection == "ser1 0.5 is below 0.9"
