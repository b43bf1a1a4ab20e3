"""Annotations find their photographs however a name is written."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fabgan.components.core.errors import UserError
from tests.unit.test_annotations import (
    CORNERS,
    FORMS,
    HEIGHT_PX,
    IMAGE,
    POLYGON,
    WIDTH_PX,
    annotated,
    coco,
    expected,
    labelme,
    png,
    voc,
)

BLANK = png(np.zeros((HEIGHT_PX, WIDTH_PX)))
NAMES: dict[str, bytes] = {
    "a_GT.png": BLANK,
    "a_MASK.PNG": BLANK,
    "a_label.png": BLANK,
    "a.png_mask.tif": BLANK,
    "a.png.txt": b"",
    "b.xml": voc().replace(b"a.png", b"a"),
    "c.xml": voc().replace(b"a.png", b"C:\\lot-0\\a.bmp"),
    "b.json": coco(images=[IMAGE | {"file_name": "a.tif"}]),
    "c.json": labelme(imagePath="a"),
}


@pytest.mark.parametrize("name", NAMES)
def test_a_photograph_is_found_however_tools_write_its_name(tmp_path: Path, name: str) -> None:
    found, _ = annotated(tmp_path, {f"labels/{name}": NAMES[name]})
    assert list(found.shapes) == ["lot-0/a.png"]


@pytest.mark.parametrize("name", ["A.PNG", "%61.png"])
def test_the_photograph_of_a_similar_name_is_told(tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match=f"is called {name}; lot-0/a.png is the closest one"):
        annotated(tmp_path, {"labels/all.json": coco(images=[IMAGE | {"file_name": name}])})


def test_a_name_with_the_same_suffix_goes_before_one_with_another(tmp_path: Path) -> None:
    files = {"lot-0/a.jpg": BLANK, "lot-0/a.png.jpg": BLANK, "labels/a.xml": voc()}
    assert list(annotated(tmp_path, files)[0].shapes) == ["lot-0/a.png"]
    with pytest.raises(UserError, match=r"a.bmp may be lot-0/a.jpg or lot-0/a.png"):
        annotated(tmp_path, {"labels/a.xml": voc().replace(b"a.png", b"a.bmp")})


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
@pytest.mark.parametrize("form", FORMS)
def test_texts_may_have_byte_order_marks(tmp_path: Path, form: str, encoding: str) -> None:
    files = {
        name: content if name.endswith(".png") else content.decode().encode(encoding)
        for name, content in FORMS[form].items()
    }
    assert annotated(tmp_path, files)[0].kinds == ["dent", "scratch"]


ENTITY = "<!DOCTYPE a [<!ENTITY b 'c'>]><annotation/>"
UNREADABLE = [
    ({"labels/a.xml": ENTITY.encode("utf-16")}, "XML with a document type or entities"),
    ({"labels/a.xml": ENTITY.encode("utf-16-le")}, "XML with a document type or entities"),
    ({"labels/a.json": '{"shapes": "\u00f6"}'.encode("latin-1")}, "neither UTF-8 nor UTF-16: 'utf-8' codec can't"),
    ({"labels/a.json": "{}".encode("utf-16-le")}, "it has zero bytes: it is no text, or UTF-16 without a mark"),
    (FORMS["YOLO"] | {"classes.txt": "L\u00f6tstelle".encode("latin-1")}, "classes.txt: neither UTF-8 nor UTF-16"),
]


@pytest.mark.parametrize(("files", "message"), UNREADABLE)
def test_texts_in_other_encodings_are_refused(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    with pytest.raises(UserError) as refused:
        annotated(tmp_path, files)
    assert message in str(refused.value)


KINDS: dict[str, Callable[[str], dict[str, bytes]]] = {
    "COCO": lambda kind: {"labels/a.json": coco(POLYGON, categories=[{"id": 3, "name": kind}])},
    "labelme": lambda kind: {"labels/a.json": labelme({"label": kind, "points": CORNERS})},
    "VOC": lambda kind: {"labels/a.xml": voc((kind, 11, 6, 14, 9))},
    "YOLO": lambda kind: {"labels/a.txt": b"0 .5 .5 .2 .2", "classes.txt": kind.encode()},
    "a folder of masks": lambda kind: {f"labels/{kind}/a.png": png(expected() // 2)},
}


@pytest.mark.parametrize("form", KINDS)
@pytest.mark.parametrize("kind", ["Lo\u0308t  fehlt", "\u200bL\u00f6t\u00a0fehlt"])
def test_kinds_that_look_alike_are_one(tmp_path: Path, form: str, kind: str) -> None:
    found, _ = annotated(tmp_path, KINDS[form](kind))
    assert found.kinds == [shape.kind for shape in found.shapes["lot-0/a.png"]] == ["L\u00f6t fehlt"]


def test_kinds_that_differ_in_capitals_are_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    annotated(tmp_path, {"labels/a.xml": voc(("pit", 1, 1, 5, 5), ("Pit", 7, 7, 9, 9), ("dent", 1, 9, 5, 12))})
    assert "labels (ingest.annotations): Pit and pit are different kinds" in capsys.readouterr().err


def test_a_name_with_an_umlaut_is_found_however_it_is_written(tmp_path: Path) -> None:
    files = {
        "lot-0/fu\u0308r.png": BLANK,
        "lot-0/f\u00fcr_mask.png": png(expected() // 2),
    }
    found, _ = annotated(tmp_path, files, "*_mask.png")
    assert list(found.shapes) == ["lot-0/fu\u0308r.png"]
