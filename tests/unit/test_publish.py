"""Which of two versions should be champion."""

from pathlib import Path

import pytest

from fabgan.components.core.parameters import parse
from fabgan.components.measures.evaluation import SEEN_MEASURE
from fabgan.components.measures.parameters import EvaluateParameters
from fabgan.components.measures.real import Real
from fabgan.components.publish import step as publish
from fabgan.components.publish.step import DEVIATION, DISTANCE, IMAGES, MEASURED_WITH, _Comparison
from fabgan.components.services.tracking.registry import Registry, Version
from tests.conftest import section

GOOD = {SEEN_MEASURE: "0", DISTANCE: "0.5", DEVIATION: "0.01"}
NO_DISTANCE = f"has no {DISTANCE} to these images that could be computed"


@pytest.fixture
def comparison(monkeypatch: pytest.MonkeyPatch) -> _Comparison:
    """A comparison of versions whose tags hold their measures, so that it asks no registry."""
    monkeypatch.setattr(publish, "manifest_digest", lambda _: "0" * 64)
    params = parse(EvaluateParameters, section("evaluate"), "tests", "evaluate")
    return _Comparison(Registry.__new__(Registry), Path("packages"), params, Real.__new__(Real))


@pytest.mark.parametrize(
    ("candidate", "champion", "expected"),
    [
        (GOOD | {DISTANCE: "0.4"}, GOOD, (True, "")),
        (GOOD | {DISTANCE: "0.49"}, GOOD, (False, "")),
        ({SEEN_MEASURE: "0"}, GOOD, (False, f"it {NO_DISTANCE}")),
        ({SEEN_MEASURE: "0"}, {SEEN_MEASURE: "0"}, (False, f"it {NO_DISTANCE}")),
        (GOOD | {SEEN_MEASURE: "3"}, GOOD, (False, "it was trained with 3 of the held-out photographs")),
        (GOOD, {SEEN_MEASURE: "0"}, (True, f"version 1 {NO_DISTANCE}")),
    ],
)
def test_a_version_without_a_sound_distance_is_no_champion(
    candidate: dict[str, str], champion: dict[str, str], expected: tuple[bool, str], comparison: _Comparison
) -> None:
    tags = {"verdict": "candidate", IMAGES: "64 px in grey", MEASURED_WITH: comparison.setting}
    versions = [Version("bga", number, tags | measures) for number, measures in ((2, candidate), (1, champion))]
    is_better, reason = comparison.better(*versions)
    assert is_better == expected[0]
    assert reason == expected[1] or (not expected[1] and reason.startswith(f"{DISTANCE} is "))
