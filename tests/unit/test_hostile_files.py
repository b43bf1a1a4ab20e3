"""The benchmark of hostile files finds nothing to object to, and would say so if there were something."""

import json

import numpy as np
import pytest

from benchmarks import hostile_files
from fabgan.components.core.images import ImageFacts


def result(capsys: pytest.CaptureFixture[str]) -> dict[str, float]:
    found: dict[str, float] = json.loads(capsys.readouterr().out.splitlines()[-1])
    return found


def test_no_file_stops_ingest_disappears_or_is_taken_for_what_it_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert hostile_files.main(["--files", "2"]) == 0
    found = result(capsys)
    assert found["tried"] == 2 * found["kinds"] == 120
    assert (found["crashed"], found["silent"], found["wrong"]) == (0, 0, 0)


def test_files_that_are_accepted_whatever_they_hold_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    found = ImageFacts(80, 64, "RGB", None, 255.0), np.zeros((64, 80, 3), dtype="uint8")
    monkeypatch.setattr("fabgan.components.ingest.step.inspect_image", lambda *_: found)
    monkeypatch.setattr(hostile_files, "read_image", lambda *_: np.zeros((64, 80, 3), dtype="uint8"))
    assert hostile_files.main(["--files", "2"]) == 1
    assert result(capsys)["wrong"] == 2 * 2 * len(hostile_files.FORMATS)
