"""Annotations go to their own photograph, and not to another one of the same name."""

import json
import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from fabgan.components.core.errors import UserError
from fabgan.components.ingest.annotations import Annotations, read_annotations
from fabgan.components.ingest.annotations.pairing import Pairing
from fabgan.components.ingest.selection import ANNOTATION, selected
from fabgan.components.ingest.sources.folder import list_folder

LINE = "0 .5 .5 .2 .2\n"


def read(tmp_path: Path, photographs: list[str], files: Mapping[str, str | bytes], asked: str = "ann") -> Annotations:
    """Read the annotations `files` of photographs whose content does not matter."""
    for name, content in (dict.fromkeys(photographs, b"") | dict(files)).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    listing = list_folder(tmp_path)
    taken, skipped = selected([file.path for file in listing.files], annotations=asked)
    return read_annotations(listing, skipped.get(ANNOTATION, []), asked, taken)


def yolo(*names: str) -> dict[str, str]:
    return {"classes.txt": "scratch\n"} | dict.fromkeys(names, LINE)


def coco(*names: str) -> str:
    images = [{"id": at, "file_name": name, "width": 8, "height": 8} for at, name in enumerate(names)]
    return json.dumps({"images": images, "annotations": [], "categories": []})


def labelme(name: str) -> str:
    return json.dumps({"shapes": [], "imagePath": name})


def voc(name: str) -> str:
    return f"<annotation><filename>{name}</filename></annotation>"


MISSING = [
    # lot1 has other photographs, or has none any more while lot0 shows what its neighbour means
    (["lot0/2.png", "lot1/3.png"], yolo("ann/lot1/2.txt"), "ann/lot1/2.txt is for a photograph of the folder lot1"),
    (["lot0/1.png", "lot0/2.png"], yolo("ann/lot0/1.txt", "ann/lot1/2.txt"), "of this name is lot0/2.png. Add the"),
    (["lot0/1.png", "lot0/2.png"], {"ann/all.json": coco("lot1/2.png", "lot0/1.png")}, "images.0: lot1/2.png is for"),
    (["line/lot0/2.png", "line/lot1/3.png"], yolo("ann/lot1/2.txt"), "the closest of this name is line/lot0/2.png"),
    # two files are for one photograph
    (["lot0/2.png"], yolo("ann/x/2.txt", "ann/y/2.txt"), "ann/y/2.txt (ingest.annotations): it is for lot0/2.png, and"),
    (["lot0/2.png"], {"ann/x/2.json": labelme("2.png"), "ann/y/2.json": labelme("2.png")}, "so is ann/x/2.json"),
    (["lot0/2.png"], {"ann/x/2.xml": voc("2.png"), "ann/y/2.xml": voc("2.png")}, "and so is ann/x/2.xml"),
    (["lot0/2.png"], {"ann/2.png": b"", "ann/2_mask.png": b""}, "so is ann/2.png"),
    (["lot0/2.png"], {"ann/all.json": coco("x/2.png", "y/2.png")}, "images.1: it is for lot0/2.png, and so is x/2.png"),
]


@pytest.mark.parametrize(("photographs", "files", "message"), MISSING, ids=[message for *_, message in MISSING])
def test_the_annotation_of_a_missing_photograph_is_refused(
    tmp_path: Path, photographs: list[str], files: dict[str, str | bytes], message: str
) -> None:
    with pytest.raises(UserError) as refused:
        read(tmp_path, photographs, files)
    assert message in str(refused.value)


LAYOUTS: dict[str, tuple[list[str], Mapping[str, str | bytes]]] = {
    "a flat folder": (["lot0/1.png", "lot1/2.png"], yolo("ann/1.txt", "ann/2.txt")),
    "labels beside images": (["images/lot0/1.png", "images/lot1/1.png"], yolo("ann/lot0/1.txt", "ann/lot1/1.txt")),
    "folders of splits": (["train/images/1.png", "valid/images/2.png"], yolo("ann/train/1.txt", "ann/valid/2.txt")),
    "COCO without folders": (["lot0/1.png", "lot1/2.png"], {"ann/all.json": coco("1.png", "2.png")}),
    "COCO of another machine": (
        ["lot0/1.png", "lot1/1.png"],
        {"ann/all.json": coco("/home/me/lot0/1.png", "C:\\me\\lot1\\1.png")},
    ),
    "COCO in parts": (
        ["lot0/1.png", "lot1/2.png"],
        {"ann/0.json": coco("1.png", "2.png"), "ann/1.json": coco("1.png")},
    ),
    "COCO with folders of its own": (["lot0/1.png", "lot1/2.png"], {"ann/all.json": coco("task/1.png", "task/2.png")}),
    "masks of kinds": (
        ["lot0/1.png", "lot1/2.png"],
        {"ann/dent/1.png": b"", "ann/scratch/1.png": b"", "ann/dent/2.png": b""},
    ),
    "VOC of several lots": (["lot0/1.png", "lot1/1.png"], {f"ann/lot{lot}/1.xml": voc("1.png") for lot in (0, 1)}),
    "VOC of another lot's folder": (
        ["lot0/1.png", "lot1/1.png"],
        {"ann/lot0/1.xml": voc("lot1/1.png"), "ann/lot0/2.xml": voc("lot0/1.png")},
    ),
    "photographs without folders": (["1.png", "lot1/2.png"], yolo("ann/1.txt", "ann/lot1/2.txt")),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_usual_layouts_are_read(tmp_path: Path, layout: str) -> None:
    photographs, files = LAYOUTS[layout]
    assert sorted(read(tmp_path, photographs, files).shapes) == photographs


@pytest.mark.parametrize(
    ("photographs", "named", "photograph"),
    [
        (["extra/images/2.png", "lot0/1.png"], "images/1.png", "lot0/1.png"),
        (["lot0/top/1.png", "lot1/bottom/2.png"], "top/2.png", "lot1/bottom/2.png"),
    ],
)
def test_a_folder_that_lies_elsewhere_is_no_other_lot(
    tmp_path: Path, photographs: list[str], named: str, photograph: str
) -> None:
    assert list(read(tmp_path, photographs, {"ann/all.json": coco(named)}).shapes) == [photograph]


def test_voc_beside_its_photograph_is_for_it_in_every_lot(tmp_path: Path) -> None:
    files = {f"lot{lot}/1.xml": voc("1.png") for lot in (0, 1)}
    assert sorted(read(tmp_path, ["lot0/1.png", "lot1/1.png"], files, "*.xml").shapes) == ["lot0/1.png", "lot1/1.png"]


LOTS: dict[str, tuple[list[str], Mapping[str, str | bytes]]] = {
    "a folder of labels in each": (
        ["lot0/images/1.png", "lot1/images/1.png"],
        yolo("lot0/labels/1.txt", "lot1/labels/1.txt"),
    ),
    "COCO in each": (["lot0/1.png", "lot1/1.png"], {f"lot{lot}/labels.json": coco("1.png") for lot in (0, 1)}),
    "COCO with folders in each": (
        ["lot0/images/1.png", "lot1/images/1.png"],
        {f"lot{lot}/labels.json": coco("images/1.png") for lot in (0, 1)},
    ),
}


@pytest.mark.parametrize("layout", LOTS)
def test_an_annotation_in_a_lot_is_for_this_lot(tmp_path: Path, layout: str) -> None:
    photographs, files = LOTS[layout]
    assert sorted(read(tmp_path, photographs, files, "*/labels*").shapes) == photographs
    (tmp_path / photographs[0]).rename(tmp_path / photographs[0].replace("1.png", "2.png"))
    with pytest.raises(UserError, match=f"of the folder lot0, but the closest of this name is {photographs[1]}"):
        read(tmp_path, photographs[1:], files, "*/labels*")


@pytest.mark.parametrize("layout", ["lot-{}/bottom.png", "lot-{}/images/bottom.png", "bottom/lot-{}/bottom.png"])
def test_thousands_of_photographs_of_the_same_name_are_paired_in_seconds(layout: str) -> None:
    photographs, started_s = [layout.format(number) for number in range(3000)], time.process_time()
    pairing = Pairing(photographs)
    for photograph in photographs:
        label = photograph.replace("images", "labels").replace(".png", ".txt")
        assert pairing.beside(label, label) == photograph
        assert pairing.named(photograph, "all.json", photograph) == photograph
        assert pairing.kind_folder(photograph, 1, []) == ""
    assert time.process_time() - started_s < 20


KINDS = [
    (["lot0/0.png", "lot1/1.png"], ["ann/lot0/0.png", "ann/lot1/1.png"], ["defect"]),
    (["images/lot0/0.png"], ["ann/lot0/0.png"], ["defect"]),
    (["lot0/0.png", "lot1/0.png"], ["ann/scratch/lot0/0_mask.png", "ann/dent/lot1/0_mask.png"], ["dent", "scratch"]),
    (["lot0/0.png"], ["ann/lot0/scratch/0.png"], ["scratch"]),
    (["test/lot0/0.png"], ["ann/test/lot0/0.png"], ["defect"]),
    # sorted by kinds
    (["test/cut/0.png", "test/hole/0.png"], ["ann/cut/0_mask.png", "ann/hole/0_mask.png"], ["cut", "hole"]),
    (["nut/test/cut/0.png"], ["ann/nut/cut/0_mask.png"], ["cut"]),
    (["good/0.png", "cut/1.png"], ["ann/cut/1.png"], ["cut"]),
    (["good/lot0/0.png", "cut/lot0/1.png"], ["ann/cut/lot0/1.png"], ["cut"]),
    (["lot0/good/0.png", "lot0/cut/1.png"], ["ann/lot0/cut/1.png"], ["cut"]),
    (["Normal/0.png", "Anomaly/1.png"], ["ann/Anomaly/1.png"], ["Anomaly"]),
    (["ok/0.png", "cut/1.png", "hole/2.png"], ["ann/cut/1.png", "ann/hole/2.png"], ["cut", "hole"]),
    # lots beside a folder of good ones
    (["good/1.png", "lot1/2.png"], ["ann/scratch/lot1/2.png"], ["scratch"]),
    (["good/1.png"], ["ann/scratch/good/1.png"], ["scratch"]),
]


@pytest.mark.parametrize(("photographs", "masks", "kinds"), KINDS)
def test_folders_of_lots_are_no_kinds(
    tmp_path: Path, photographs: list[str], masks: list[str], kinds: list[str]
) -> None:
    assert read(tmp_path, photographs, dict.fromkeys(masks, b"")).kinds == kinds


def test_several_masks_of_a_photograph_lie_in_a_folder_of_its_name(tmp_path: Path) -> None:
    photographs = [f"test/{path}" for path in ("good/0.png", "logical/0.png", "logical/1.png")]
    masks = ["truth/logical/0/0.png", "truth/logical/0/1.png", "truth/logical/1/0.png"]
    found = read(tmp_path, photographs, dict.fromkeys(masks, b""), "truth")
    assert found.kinds == ["logical"]
    assert {path: len(shapes) for path, shapes in found.shapes.items()} == {
        "test/logical/0.png": 2,
        "test/logical/1.png": 1,
    }


@pytest.mark.parametrize("asked", ["ann", "*ann*.png"])
@pytest.mark.parametrize("classes", [{}, {"classes.txt": b"scratch"}])
def test_a_folder_of_masks_with_the_name_of_a_photograph_is_refused(
    tmp_path: Path, classes: dict[str, bytes], asked: str
) -> None:
    photographs = ["lot0/0.png", "lot0/1.png"]
    with pytest.raises(UserError, match=r"ann/0/1.png \(.*: its folder 0 has the name of lot0/0.png, so it is not"):
        read(tmp_path, photographs, {"ann/0/1.png": b""} | classes, asked)


def test_folders_of_lots_may_have_names_of_photographs(tmp_path: Path) -> None:
    photographs = ["0/0.png", "0/1.png"]
    assert sorted(read(tmp_path, photographs, {"ann/0/0.png": b"", "ann/0/1.png": b""}).shapes) == photographs


@pytest.mark.parametrize(
    ("masks", "warns"),
    [(["ann/lot0/0.png", "ann/lot1/1.png"], True), (["ann/a/lot0/0.png", "ann/b/lot1/1.png"], False)],
)
def test_folders_that_could_be_lots_or_kinds_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], masks: list[str], warns: bool
) -> None:
    read(tmp_path, ["lot0/0.png", "lot1/1.png"], dict.fromkeys(masks, b""))
    assert ("the folders lot0, lot1 are those of the photographs" in capsys.readouterr().err) == warns
