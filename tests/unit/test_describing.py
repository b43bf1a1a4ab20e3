"""What an artifact carries for Kubeflow's UI, beside its files."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from fabgan.components.artifacts.manifest import (
    Frame,
    FrameManifest,
    Quarantined,
    manifest_digest,
    write_manifest,
)
from fabgan.components.artifacts.verdict import Check, Verdict, write_verdict
from fabgan.components.core.files import write_json
from fabgan.pipeline.commands.compile import compile_pipelines
from fabgan.pipeline.pod import describing
from tests.conftest import ROOT


def frame(index: int, lot: str, split: Any) -> Frame:
    file = f"{lot}/{index}.png"
    return Frame(str(index), file, file, "0" * 64, 9, 10, 10, "RGB", 255.0, None, lot, "bga", split)


def test_frames_carry_their_numbers_and_where_they_are_from(tmp_path: Path) -> None:
    images = [frame(1, "a", "train"), frame(2, "a", "train"), frame(3, "b", "held_out")]
    manifest = FrameManifest("s3://data", "c0ffee", 6, {"hidden": 2}, images, [Quarantined("x", "cut")])
    write_manifest(tmp_path, manifest)
    assert describing.frames(str(tmp_path)) == {
        "manifest_sha256": manifest_digest(tmp_path),
        "source": "s3://data",
        "revision": "c0ffee",
        "images": 3,
        "lots": 2,
        "training_images": 2,
        "held_out_images": 1,
        "quarantined": 1,
        "skipped": 2,
    }


@pytest.mark.parametrize(
    ("value", "words"), [(2.0, "refused: kernel_distance 2 is above 1"), (0.5, "exportable")], ids=["refused", "passed"]
)
def test_the_verdict_is_told_in_words(value: float, words: str, tmp_path: Path) -> None:
    check = Check("kernel_distance", value, 0.1, 0.5, None, 1.0, "candidate", "Lower is better.")
    outcome, reasons = ("exportable", []) if check.passed else ("refused", [check.objection])
    verdict = Verdict(outcome, reasons, [check], "w", "d", "h", "e", 10, 5, 20, 1, {})  # type: ignore[arg-type]
    write_verdict(tmp_path, verdict)
    assert describing.verdict(str(tmp_path)) == words
    facts = describing.evaluation(str(tmp_path))
    assert (facts["verdict"], facts["reasons"]) == (outcome, "; ".join(reasons))


@pytest.mark.parametrize(
    ("registry", "link"),
    [("https://mlflow.fab.local/", "https://mlflow.fab.local/#/models/bga/versions/3"), ("sqlite:///x.db", None)],
)
def test_what_was_registered_has_a_link_if_mlflow_is_a_server(registry: str, link: str | None, tmp_path: Path) -> None:
    said = {"registry": registry, "model": "models:/bga/3", "verdict": "candidate", "champion_decision": "it is closer"}
    write_json(tmp_path / "receipt.json", said | {"aliases": ["candidate", "champion"]})
    facts = describing.receipt(str(tmp_path / "receipt.json"))
    assert facts.get("link") == link
    assert facts["aliases"] == "candidate, champion"
    words = "models:/bga/3 (candidate, champion): it is closer"
    assert describing.registered(str(tmp_path / "receipt.json")) == words


def test_outputs_in_words_have_names(tmp_path: Path) -> None:
    compile_pipelines("fabgan:1", ROOT / "params.yaml", tmp_path / "out")
    components = next(yaml.safe_load_all((tmp_path / "out" / "training.yaml").read_text()))["components"]
    for step, output in (("evaluate", "verdict"), ("publish", "registered")):
        assert list(components[f"comp-{step}"]["outputDefinitions"]["parameters"]) == [output]
