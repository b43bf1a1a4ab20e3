"""The code of a step: edits that can change its result change its digest, and no other edit does."""

import shutil
from pathlib import Path

import pytest

from fabgan.components.core import provenance
from fabgan.components.core.provenance import code_of, modules_of
from fabgan.components.steps import STEPS
from tests.conftest import ROOT


@pytest.fixture
def copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package, which the digests are of."""
    shutil.copytree(ROOT / "fabgan", tmp_path / "fabgan", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "fabgan")
    return tmp_path / "fabgan"


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def changed(copy: Path, file: str, old: str, new: str) -> set[str]:
    """Return the steps whose digest changes with an edit."""
    before = {step: code_of(step) for step in (*STEPS, "augment")}
    edit(copy / file, old, new)
    return {step for step, digest in before.items() if code_of(step) != digest}


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("model/seamless/energy.py", "CELL_PX = 8", "CELL_PX = 8  # rows and columns"),
        ("components/core/files.py", '"""Files that are', '"""Other words: files that are'),
        ("components/train/parameters.py", '"""The trunk normalises', '"""Its trunk normalises'),
        ("components/core/files.py", "import hashlib\n", "import hashlib\n\n\n"),
        ("components/steps.py", "SCHEMA = 4", "SCHEMA = 5"),
        ("components/services/tracking/runs.py", "PAUSE_S = 60.0", "PAUSE_S = 50.0"),
        ("components/core/outcome.py", "SIGNALLED = 128", "SIGNALLED = 127"),
        ("pipeline/pod/sweeping.py", '"kernel_distance_floor",', '"density",'),
    ],
)
def test_comments_docstrings_and_code_of_no_step_change_nothing(copy: Path, file: str, old: str, new: str) -> None:
    assert changed(copy, file, old, new) == set()


@pytest.mark.parametrize(
    ("file", "old", "new", "steps"),
    [
        ("components/publish/step.py", "CERTAINTY = 1.96", "CERTAINTY = 2.58", {"publish"}),
        (
            "components/services/tracking/promotion.py",
            'CANDIDATE = "candidate"',
            'CANDIDATE = "applicant"',
            {"publish"},
        ),
        ("components/measures/floors.py", "SPLITS = 24", "SPLITS = 12", {"evaluate", "publish"}),
        ("model/measures/seams.py", "range(3, 17)", "range(3, 16)", {"evaluate", "publish"}),
        ("components/train/devices.py", 'return precision == "bfloat16"', "return False", {"train"}),
        ("model/seamless/energy.py", "CELL_PX = 8", "CELL_PX = 4", {"train"}),
        ("components/ingest/renderer/noise.py", "import numpy as np", "import numpy as np\n\nX = 1", {"ingest"}),
        (
            "model/seamless/layers.py",
            "STYLE_GAIN = 0.5",
            "STYLE_GAIN = 0.6",
            {"train", "evaluate", "publish", "augment"},
        ),
        ("components/core/files.py", "indent: int | None = 2", "indent: int | None = 3", {*STEPS, "augment"}),
        ("components/__init__.py", '"""', 'import os\n"""', {*STEPS, "augment"}),
        ("components/artifacts/pages/templates/report.html.j2", "<h1>", "<h1 >", {"evaluate"}),
    ],
)
def test_code_that_a_step_runs_changes_its_digest_and_no_others(
    copy: Path, file: str, old: str, new: str, steps: set[str]
) -> None:
    assert changed(copy, file, old, new) == steps


def test_a_step_is_its_module_and_what_it_imports() -> None:
    modules = modules_of("fabgan.components.publish.step")
    assert {"fabgan.components.publish.step", "fabgan.components.core.errors", "fabgan.model.pixels"} <= set(modules)
    assert not [module for module in modules if module.startswith("fabgan.components.train")]
    assert not [module for module in modules if "training" in module]
