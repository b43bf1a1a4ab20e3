"""What people say of one copy of a photograph is said of the photograph."""

import shutil
from pathlib import Path

import pytest
from PIL import Image

from fabgan.components.artifacts.manifest import Frame
from fabgan.components.core.errors import UserError
from tests.unit.test_ingest import ingested, photographs

__all__ = ["photographs"]
BOX = "0 0.5 0.5 0.25 0.5\n"
OTHER_BOX = "0 0.25 0.5 0.25 0.5\n"


@pytest.fixture
def copied(photographs: Path) -> Path:
    """Photographs of which one lies in two lots."""
    shutil.copy(photographs / "lot-0" / "0.png", photographs / "lot-1" / "copy.png")
    (photographs / "classes.txt").write_text("scratch\n")
    return photographs


def annotated(photographs: Path, folder: str, **boxes: str) -> None:
    for path, text in boxes.items():
        place = photographs / folder / f"{path.replace('__', '/').replace('_', '-')}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text)


def original(photographs: Path, **changes: object) -> tuple[Frame, Path]:
    manifest, output, _ = ingested(photographs, **changes)
    (frame,) = (frame for frame in manifest.images if frame.source == "lot-0/0.png")
    assert [item.source for item in manifest.quarantined] == ["lot-1/copy.png"]
    return frame, output


def test_the_annotation_of_a_copy_is_kept(copied: Path) -> None:
    annotated(copied, "labels", lot_1__copy=BOX)
    for _ in range(2):  # the second time, earlier results are taken over
        frame, output = original(copied, annotations="labels")
        with Image.open(output / frame.mask) as mask:
            assert mask.getextrema() == (0, 1)


def test_the_boxes_of_a_copy_are_kept(copied: Path) -> None:
    annotated(copied, "boxes", lot_1__copy=BOX)
    frame, _ = original(copied, boxes="boxes")
    assert frame.boxes_px == [(12, 6, 20, 18)]


def test_the_label_of_a_copy_is_kept(copied: Path) -> None:
    (copied / "labels.csv").write_text("file,label\nlot-1/copy.png,scratch\n")
    frame, _ = original(copied, labels_file="labels.csv")
    assert frame.label == "scratch"


def test_copies_of_which_the_same_is_said_are_one_photograph(copied: Path) -> None:
    annotated(copied, "labels", lot_0__0=BOX, lot_1__copy=BOX)
    (copied / "labels.csv").write_text("file,label\nlot-0/0.png,scratch\nlot-1/copy.png,scratch\n")
    frame, _ = original(copied, annotations="labels", labels_file="labels.csv")
    assert (frame.label, bool(frame.mask)) == ("scratch", True)


@pytest.mark.parametrize(
    ("what", "key", "other"),
    [("mask", "annotations", OTHER_BOX), ("mask", "annotations", ""), ("boxes", "boxes", OTHER_BOX)],
)
def test_copies_that_are_annotated_differently_are_refused(copied: Path, what: str, key: str, other: str) -> None:
    annotated(copied, key, lot_0__0=BOX, lot_1__copy=other)
    with pytest.raises(UserError, match=f"^lot-0/0.png and lot-1/copy.png are the same.*the {what} of one is not"):
        ingested(copied, **{key: key})


def test_copies_with_different_labels_are_refused(copied: Path) -> None:
    (copied / "labels.csv").write_text("file,label\nlot-0/0.png,dent\nlot-1/copy.png,scratch\n")
    with pytest.raises(UserError, match="the label of one is not that of the other"):
        ingested(copied, labels_file="labels.csv")
