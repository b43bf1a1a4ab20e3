"""Which folders a command replaces: those that it wrote itself, now or in an earlier version, and no others."""

from pathlib import Path

import pytest

from fabgan.components.artifacts import generator, verdict
from fabgan.components.artifacts.manifest import (
    DefectManifest,
    FrameManifest,
    GeneratedManifest,
    PackageManifest,
    marker_of,
    read_manifest,
)
from fabgan.components.core.errors import UserError
from fabgan.components.core.files import check_replaceable, names_marker, write_json
from fabgan.components.defects import card
from fabgan.components.steps import run_step
from fabgan.components.train.step import REPORT
from fabgan.pipeline.commands.compile import FOLDER, compile_pipelines
from fabgan.pipeline.commands.components import write_components
from tests.conftest import ROOT

IMAGE = "fabgan:1"
FRAMES = {"source": "photographs", "revision": "", "images": [], "quarantined": []}
PACKAGES = {"sizes_px": [128], "channels": 1, "images": [], "quarantined": []}
GENERATED = {"model": "models:/m/1", "weights_sha256": "0", "image_size_px": 128, "count": 0, "images": []}
DEFECTS = {"packages_sha256": "0", "image_size_px": 128, "seed": 0, "layout": "masks", "kinds": [], "images": []}
CARD = {"format": 1, "variant": "paper", "config": {}, "weights_sha256": "0"}
VERDICT = {"passed": True, "reasons": [], "weights_sha256": "0", "held_out_sha256": "0"}
MODEL = {"format": 1, "config": {}, "kinds": [], "judged": []}
MARKERS = {
    "frames": marker_of(FrameManifest),
    "packages": marker_of(PackageManifest),
    "generated": marker_of(GeneratedManifest),
    "defects": marker_of(DefectManifest),
    "generator": generator.FOLDER,
    "verdict": verdict.FOLDER,
    "model": card.FOLDER,
}
WRITTEN = [
    ("frames", FRAMES),
    ("frames", FRAMES | {"listed": 0, "skipped": {}, "kinds": []}),
    ("packages", PACKAGES),
    ("packages", PACKAGES | {"source": "photographs", "revision": ""}),
    ("generated", GENERATED),
    ("defects", DEFECTS),
    ("generator", CARD),
    ("verdict", VERDICT),
    ("model", MODEL),
]
"""What an earlier version wrote of each kind, and of some kinds what a later one writes."""


@pytest.mark.parametrize(("kind", "content"), WRITTEN)
def test_a_folder_is_replaced_by_the_step_that_wrote_it_and_by_no_other(
    kind: str, content: object, tmp_path: Path
) -> None:
    write_json(tmp_path / MARKERS[kind].file, content)
    check_replaceable(tmp_path, MARKERS[kind])
    for other in MARKERS.keys() - {kind}:
        with pytest.raises(UserError, match="holds something else"):
            check_replaceable(tmp_path, MARKERS[other])


@pytest.mark.parametrize("kind", MARKERS)
@pytest.mark.parametrize("text", ['{"name": "a web page", "icons": []}', "[]", "not json"])
def test_a_file_of_the_same_name_makes_no_result(kind: str, text: str, tmp_path: Path) -> None:
    (tmp_path / MARKERS[kind].file).write_text(text)
    with pytest.raises(UserError, match=r"holds something else .*; nothing was changed, choose another folder"):
        check_replaceable(tmp_path, MARKERS[kind])


def test_a_git_repository_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    write_json(tmp_path / "manifest.json", FRAMES)
    with pytest.raises(UserError, match=r"holds something else \(it is a git repository\)"):
        check_replaceable(tmp_path, MARKERS["frames"])


def test_the_report_of_train_is_replaced_and_a_folder_of_other_losses_is_not(tmp_path: Path) -> None:
    (tmp_path / "samples").mkdir()
    for name in ("losses.csv", "samples/000000008.png", ".gitignore"):
        (tmp_path / name).write_text("images,G,D\n8,1,2\n")
    check_replaceable(tmp_path, REPORT)
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds something else \(notes\.txt, which"):
        check_replaceable(tmp_path, REPORT)
    (tmp_path / "notes.txt").unlink()
    (tmp_path / "losses.csv").write_text("epoch,loss\n")
    with pytest.raises(UserError, match=r"its losses\.csv was not written by this command"):
        check_replaceable(tmp_path, REPORT)


def test_compiled_pipelines_are_replaced_and_a_folder_of_other_files_is_not(tmp_path: Path) -> None:
    folder = tmp_path / "pipelines"
    compile_pipelines(IMAGE, ROOT / "params.yaml", folder)
    check_replaceable(folder, FOLDER)
    (folder / "mine.yaml").write_text("mine")
    with pytest.raises(UserError, match=r"mine\.yaml, which this command does not write"):
        check_replaceable(folder, FOLDER)
    (folder / "mine.yaml").unlink()
    (folder / "training.yaml").write_text("epochs: 3")
    with pytest.raises(UserError, match=r"its training\.yaml was not written by this command"):
        check_replaceable(folder, FOLDER)


def test_components_are_written_into_a_repository_and_leave_all_else_as_it_is(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    kept = {name: f"of others: {name}" for name in (".git/HEAD", "README.md", "training_report.txt")}
    for name, text in kept.items():
        (tmp_path / name).write_text(text)
    for owner in ("vision", "others"):
        folders = write_components(IMAGE, [owner], tmp_path)
        assert all(owner in (folder / "OWNERS").read_text() for folder in folders)
    assert {name: (tmp_path / name).read_text() for name in kept} == kept
    (folders[-1] / "tests.py").write_text("of others")
    with pytest.raises(UserError, match=r"tests\.py, which this command does not write"):
        write_components(IMAGE, ["vision"], tmp_path)
    assert all("others" in (folder / "OWNERS").read_text() for folder in folders)


FRAMES_TO_PACKAGES = {"frames": "data/frames", "output": "data/packages"}
TRAINING = {"packages": "data/packages", "checkpoints": "checkpoints", "generator": "generator", "report": "report"}


@pytest.mark.parametrize(
    ("step", "paths"),
    [
        ("crop_resize", FRAMES_TO_PACKAGES | {"output": "data/frames"}),
        ("crop_resize", FRAMES_TO_PACKAGES | {"output": "data"}),
        ("crop_resize", FRAMES_TO_PACKAGES | {"output": "link/packages"}),
        ("train", TRAINING | {"checkpoints": "data/packages"}),
        ("train", TRAINING | {"report": "data/packages/report"}),
        ("evaluate", {"packages": "data/packages", "generator": "g", "training": "r/train", "report": "r"}),
    ],
)
def test_what_a_step_reads_is_no_place_for_its_results(
    step: str, paths: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "frames").mkdir(parents=True)
    (tmp_path / "link").symlink_to("data/frames")
    with pytest.raises(UserError, match="lie within each other"):
        run_step(step, {}, {name: Path(place) for name, place in paths.items()})
    assert {path.name for path in tmp_path.rglob("*")} == {"data", "link", "frames"}


def test_names_stand_for_files_and_for_whole_folders(tmp_path: Path) -> None:
    marker = names_marker("done", ["done", "deep/"])
    for name in ("done", "deep/deeper/file"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    check_replaceable(tmp_path, marker)
    (tmp_path / "deepest").write_text("")
    with pytest.raises(UserError, match="deepest, which this command does not write"):
        check_replaceable(tmp_path, marker)


def test_a_folder_of_another_step_is_named(tmp_path: Path) -> None:
    write_json(tmp_path / "manifest.json", FRAMES)
    with pytest.raises(UserError, match="holds frames of ingest, and not packages of crop_resize"):
        read_manifest(tmp_path, PackageManifest)
