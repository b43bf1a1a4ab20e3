"""Annotations of every format become the same mask, or are refused with the file and the place in it."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from fabgan.components.core.errors import UserError
from fabgan.components.ingest.annotations import Annotations, draw_mask, read_annotations
from fabgan.components.ingest.annotations.shapes import Outlines, box
from fabgan.components.ingest.selection import ANNOTATION, selected
from fabgan.components.ingest.sources.folder import list_folder

WIDTH_PX, HEIGHT_PX = 40, 30
CORNERS = [[10, 5], [14, 5], [14, 9], [10, 9]]
"""Of a scratch: pixels 10 to 13 of rows 5 to 8. A dent is a single pixel at (30, 20)."""
SCRATCH, DENT = np.s_[5:9, 10:14], np.s_[20, 30]
CLASSES = "scratch\ndent\n"
IMAGE = {"id": 7, "file_name": "a.png", "width": WIDTH_PX, "height": HEIGHT_PX}
"""As COCO lists it."""

Mask = NDArray[np.uint8]


def expected() -> Mask:
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    mask[SCRATCH], mask[DENT] = 2, 1  # kinds are in alphabetical order
    return mask


def png(mask: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(mask.astype(np.uint8)).save(buffer, format="PNG")
    return buffer.getvalue()


def pages(*masks: NDArray[Any]) -> bytes:
    buffer = io.BytesIO()
    first, *others = (Image.fromarray(mask.astype(np.uint8)) for mask in masks)
    first.save(buffer, format="TIFF", save_all=True, append_images=others)
    return buffer.getvalue()


def coco(*annotations: dict[str, Any], **changes: Any) -> bytes:
    content = {
        "images": [IMAGE],
        "categories": [{"id": 3, "name": "scratch"}, {"id": 9, "name": "dent"}],
        "annotations": [{"id": at, "image_id": 7} | one for at, one in enumerate(annotations)],
        "info": {"year": 2026},
    }
    return json.dumps(content | changes).encode()


def compressed(mask: NDArray[np.bool_]) -> str:
    """Run lengths as COCO's own encoder writes them."""
    flat = np.concatenate([[False], mask.T.ravel(), [False]])
    edges = np.flatnonzero(flat[1:] != flat[:-1])
    lengths = np.diff(np.concatenate([[0], edges, [mask.size]])).tolist()
    text = ""
    for at, length in enumerate(lengths):
        value = length - (lengths[at - 2] if at > 2 else 0)
        more = True
        while more:
            bits, value = value & 31, value >> 5
            more = value != (-1 if bits & 16 else 0)
            text += chr((bits | (32 if more else 0)) + 48)
    return text


def labelme(*shapes: dict[str, Any], **changes: Any) -> bytes:
    content = {"shapes": shapes, "imagePath": "..\\lot-0\\a.png", "imageWidth": WIDTH_PX, "imageHeight": HEIGHT_PX}
    return json.dumps(content | changes).encode()


SIZE = f"<size><width>{WIDTH_PX}</width><height>{HEIGHT_PX}</height></size>"


def voc(*boxes: tuple[str, int, int, int, int], size: str = SIZE) -> bytes:
    objects = "".join(
        f"<object><name>{name}</name><bndbox><xmin>{a}</xmin><ymin>{b}</ymin><xmax>{c}</xmax><ymax>{d}</ymax></bndbox>"
        "</object>"
        for name, a, b, c, d in boxes
    )
    return f"<annotation><filename>a.png</filename>{size}{objects}</annotation>".encode()


def shares(*numbers: float) -> str:
    sides = (WIDTH_PX, HEIGHT_PX)
    return " ".join(str(number / sides[at % 2]) for at, number in enumerate(numbers))


POLYGON = {"category_id": 3, "segmentation": [[number for corner in CORNERS for number in corner]]}
DENT_BOX = {"category_id": 9, "bbox": [30, 20, 1, 1], "segmentation": []}
RECTANGLE = {"label": "dent", "shape_type": "rectangle", "points": [[31, 21], [30, 20]]}
FORMS: dict[str, dict[str, bytes]] = {
    "COCO": {"labels/all.json": coco(POLYGON, DENT_BOX)},
    "COCO with run lengths": {
        "labels/all.json": coco(
            {"category_id": 3, "segmentation": {"counts": compressed(expected() == 2), "size": [HEIGHT_PX, WIDTH_PX]}},
            {
                "category_id": 9,
                "segmentation": {"counts": [920, 1, 279], "size": [HEIGHT_PX, WIDTH_PX]},
            },
        )
    },
    "labelme": {"labels/a.json": labelme({"label": "scratch", "points": CORNERS}, RECTANGLE)},
    "YOLO": {
        "labels/lot-0/a.txt": f"0 {shares(*np.ravel(CORNERS))}\n1 {shares(30.5, 20.5, 1, 1)}\n".encode(),
        "classes.txt": CLASSES.encode(),
    },
    "VOC": {"labels/a.xml": voc(("scratch", 11, 6, 14, 9), ("dent", 31, 21, 31, 21))},
    "masks in folders of kinds": {
        "labels/scratch/a_mask.png": png(255 * (expected() == 2)),
        "labels/dent/a_mask.png": png(255 * (expected() == 1)),
    },
    "masks of numbered kinds": {
        "labels/lot-0/a.png": png(np.array([0, 2, 1])[expected()]),
        "labels/data.yaml": b"names: {0: scratch, 1: dent}\n",
    },
}


def annotated(tmp_path: Path, files: dict[str, bytes], asked: str = "labels") -> tuple[Annotations, list[str]]:
    """Read annotations beside two photographs, `lot-0/a.png` and `lot-1/b.png`."""
    photographs = {"lot-0/a.png": png(np.zeros((HEIGHT_PX, WIDTH_PX))), "lot-1/b.png": b""}
    for name, content in (photographs | files).items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    listing = list_folder(tmp_path)
    taken, skipped = selected([file.path for file in listing.files], annotations=asked)
    return read_annotations(listing, skipped.get(ANNOTATION, []), asked, taken), taken


@pytest.mark.parametrize("form", FORMS)
def test_every_format_becomes_the_same_mask(tmp_path: Path, form: str) -> None:
    found, taken = annotated(tmp_path, FORMS[form])
    assert taken == ["lot-0/a.png", "lot-1/b.png"]
    assert (found.kinds, list(found.shapes)) == (["dent", "scratch"], ["lot-0/a.png"])
    mask = draw_mask(found.shapes["lot-0/a.png"], found.kinds, WIDTH_PX, HEIGHT_PX)
    np.testing.assert_array_equal(mask, expected())


@pytest.mark.parametrize("asked", ["*_mask.png", "lot-0/a_mask.png"])
def test_masks_beside_the_photographs_have_one_kind(tmp_path: Path, asked: str) -> None:
    found, taken = annotated(tmp_path, {"lot-0/a_mask.png": png(expected() // 2)}, asked)
    assert (found.kinds, taken) == (["defect"], ["lot-0/a.png", "lot-1/b.png"])


def test_masks_of_mvtec_belong_to_the_photograph_in_the_folder_of_the_same_name(tmp_path: Path) -> None:
    blank = png(np.zeros((HEIGHT_PX, WIDTH_PX)))
    files = dict.fromkeys(("test/good/000.png", "test/cut/000.png", "train/good/000.png"), blank)
    found, _ = annotated(tmp_path, files | {"truth/cut/000_mask.png": png(255 * (expected() == 1))}, "truth")
    assert (found.kinds, list(found.shapes)) == (["cut"], ["test/cut/000.png"])


@pytest.mark.parametrize(
    "files",
    [
        {"labels/all.json": coco()},
        {"labels/a.json": labelme()},
        {"labels/a.txt": b"\n"},
        {"labels/a.xml": voc()},
        {"labels/a.png": png(np.zeros((HEIGHT_PX, WIDTH_PX)))},
    ],
)
def test_a_photograph_that_was_found_good_differs_from_one_that_nobody_looked_at(
    tmp_path: Path, files: dict[str, bytes]
) -> None:
    found, _ = annotated(tmp_path, files)
    assert list(found.shapes) == ["lot-0/a.png"]
    assert not draw_mask(found.shapes["lot-0/a.png"], found.kinds, WIDTH_PX, HEIGHT_PX).any()


WRONG = [
    ({}, "ingest.annotations: labels: no file of the source has this name"),
    ({"labels/x.json": b"{"}, "labels/x.json (ingest.annotations): not valid JSON"),
    ({"labels/x.json": b"{}"}, "labels/x.json (ingest.annotations): JSON of an unknown form"),
    ({"labels/x.json": b"[" * 100_000}, "labels/x.json (ingest.annotations): not valid JSON: maximum recursion depth"),
    ({"labels/x.json": coco(images=[IMAGE, IMAGE | {"file_name": "b.png"}])}, "images: the id 7 is given to more than"),
    ({"labels/x.json": coco(categories=[{"id": 3, "name": " "}])}, "categories.0.name: expected a name"),
    ({"labels/x.json": coco(categories=2 * [{"id": 3, "name": "a"}])}, "categories: the id 3 is given to more"),
    (
        {"labels/x.json": coco({"category_id": 3, "segmentation": {"counts": "o" * 99 + "0", "size": [1, 1]}})},
        "'o' is no character of compressed run lengths",
    ),
    ({"labels/x.json": coco({"category_id": 4})}, "annotations.0: category_id: 4 is none of the categories"),
    ({"labels/x.json": coco({"image_id": 8, "category_id": 3})}, "annotations.0: image_id: 8 is none of the images"),
    ({"labels/x.json": coco({"category_id": 3})}, "annotations.0: neither a segmentation nor a bbox"),
    ({"labels/x.json": coco(POLYGON, {"category_id": "x"})}, "annotations.1.category_id"),
    ({"labels/x.json": coco({"category_id": 3, "segmentation": [[1, 2, 3]]})}, "segmentation: 3 numbers"),
    (
        {"labels/x.json": coco(images=[{"id": 1, "file_name": "z.png", "width": 1, "height": 1}])},
        "images.0: no photograph of the source is called z.png",
    ),
    ({"labels/x.json": labelme(imagePath="z.png")}, "imagePath: no photograph of the source is called z.png"),
    ({"labels/x.json": labelme({"label": "a", "points": [[1, 2]]})}, "shapes.0: a polygon of 1 points"),
    ({"labels/x.json": labelme({"label": "a", "shape_type": "line", "points": CORNERS[:2]})}, "shapes.0: a line of 2"),
    ({"labels/x.json": labelme({"points": CORNERS})}, "shapes.0.label: missing"),
    ({"labels/a.xml": b"<annotation>"}, "labels/a.xml (ingest.annotations): not valid XML"),
    ({"labels/a.xml": b"<?xml version='1.0' encoding='x'?><annotation/>"}, "not valid XML: unknown encoding: x"),
    ({"labels/a.xml": b"<?xml version='1.0' encoding='big5'?><annotation/>"}, "not valid XML: multi-byte encodings"),
    ({"labels/a.xml": b"<html/>"}, "XML of an unknown form, <html>; expected that of Pascal VOC, <annotation>"),
    ({"labels/a.xml": voc(("dent", 1, 1, 5, 5)).replace(b">1<", b">nan<")}, "xmin: expected a number, got 'nan'"),
    ({"labels/a.xml": voc(size="<size><width>inf</width></size>")}, "size: width: expected a number, got 'inf'"),
    ({"labels/a.xml": b"<!DOCTYPE x [<!ENTITY y 'z'>]><annotation/>"}, "a document type or entities"),
    ({"labels/a.xml": voc(("dent", 9, 1, 5, 5))}, "object 1: bndbox: its right or lower side comes before"),
    ({"labels/a.xml": voc(size="<size><width>many</width></size>")}, "size: width: expected a number, got 'many'"),
    ({"labels/a.txt": b"0 0.5 0.5 0.1 0.1\n"}, "labels/a.txt (ingest.annotations): line 1: the names of the classes"),
    ({"labels/a.txt": b"\n2 .5 .5 .1 .1", "classes.txt": b"x\n"}, "line 2: class 2 is not in classes.txt"),
    ({"labels/a.txt": b"0 .5 .5 .1", "classes.txt": b"x\n"}, "line 1: 3 shares"),
    ({"labels/a.txt": b"0 .5 .5 0 .1", "classes.txt": b"x\n"}, "line 1: a box without width or height"),
    ({"labels/a.txt": b"0 50 50 9 9", "classes.txt": b"x\n"}, "line 1: expected shares of the width and height"),
    ({"labels/a.txt": b"scratch here", "classes.txt": b"x\n"}, "line 1: expected the number of a class"),
    ({"labels/z.txt": b"", "classes.txt": b"x\n"}, "no photograph of the source is called z.txt"),
    ({"labels/a.txt": b"0 .5 .5 .1 .1", "classes.txt": b"x\nx\n"}, "classes.txt: names of classes are missing"),
    ({"labels/a.txt": b"0 .5 .5 .1 .1", "x/data.yaml": b"nc: 1"}, "x/data.yaml: not a file of class names"),
    ({"labels/a.bin": b"\xff\xfe\x00"}, "in no known format of annotations"),
    ({"labels/a.jpg": b"\xff\xd8\xff"}, "an image that cannot be a mask"),
    ({"labels/b/a.png": b"", "lot-9/a.png": b""}, "may be lot-0/a.png or lot-9/a.png"),
]


@pytest.mark.parametrize(("files", "message"), WRONG, ids=[message for _, message in WRONG])
def test_what_cannot_be_read_is_refused_with_the_place(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    with pytest.raises(UserError) as refused:
        annotated(tmp_path, files)
    assert message in str(refused.value)


SMALLER = png(np.zeros((10, 10)))
MISFITS = [
    ({"labels/x.json": coco(POLYGON, images=[{"id": 7, "file_name": "a.png", "width": 30, "height": 40}])}, "30 x 40"),
    ({"labels/x.json": coco({"category_id": 3, "bbox": [30, 0, 20, 5]})}, "annotations.0: the scratch reaches 10 px"),
    (
        {"labels/x.json": coco({"category_id": 3, "segmentation": {"counts": [3], "size": [HEIGHT_PX, WIDTH_PX]}})},
        "its runs have 3 px",
    ),
    ({"labels/x.json": labelme(RECTANGLE, imageWidth=41)}, "shapes.0: it is for 41 x 30 px"),
    ({"labels/x.json": labelme({"label": "a", "points": [[-9, 0], [5, 0], [5, 5]]})}, "the a reaches 9 px beyond"),
    ({"labels/a.xml": voc(("dent", 1, 1, 5, 35), size="")}, "object 1: the dent reaches 5 px beyond"),
    ({"labels/a.png": SMALLER}, "labels/a.png (ingest.annotations): it is for 10 x 10 px, but the photograph has 40"),
    ({"labels/a.png": png(expected())}, "it has the values 1, 2; a mask of one kind has 0 and 1 or 255"),
    ({"labels/x/a.png": png(expected())}, "it has the values 1, 2; a mask of one kind has 0 and one other"),
    ({"labels/a.png": png(expected()), "classes.txt": b"only\n"}, "the value 2 has no name"),
    ({"labels/a.png": b"\x89PNG"}, "labels/a.png (ingest.annotations): cannot be read as a mask: not an image in PNG"),
    ({"labels/a.tif": pages(expected(), expected())}, "it holds several images; expected one"),
    ({"labels/a.png": png(np.dstack([expected(), expected() * 2, expected()]))}, "a mask of one channel"),
]


@pytest.mark.parametrize(("files", "message"), MISFITS, ids=[message for _, message in MISFITS])
def test_what_does_not_fit_its_photograph_is_refused(tmp_path: Path, files: dict[str, bytes], message: str) -> None:
    found, _ = annotated(tmp_path, files)
    with pytest.raises(UserError) as refused:
        draw_mask(found.shapes["lot-0/a.png"], found.kinds, WIDTH_PX, HEIGHT_PX)
    assert message in str(refused.value)
    assert str(refused.value).startswith("labels/")


def test_the_smaller_of_overlapping_shapes_counts() -> None:
    shapes = [Outlines("small", "x", (box(4, 4, 6, 6),)), Outlines("large", "x", (box(0, 0, 9, 9),))]
    for order in (shapes, shapes[::-1]):
        mask = draw_mask(order, ["large", "small"], 10, 10)
        assert np.bincount(mask.ravel()).tolist() == [19, 77, 4]


def test_a_scratch_thinner_than_a_pixel_is_not_lost() -> None:
    ring = ((2.0, 3.1), (17.0, 3.2), (17.0, 3.3), (2.0, 3.2))
    mask = draw_mask([Outlines("scratch", "x", (ring,))], ["scratch"], 20, 10)
    assert np.flatnonzero(mask.any(axis=1)).tolist() == [3]
    assert np.count_nonzero(mask) >= 15


def cross(a: NDArray[Any], b: NDArray[Any]) -> NDArray[Any]:
    product: NDArray[Any] = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return product


CORNER = st.tuples(st.floats(0, WIDTH_PX), st.floats(0, HEIGHT_PX))


@given(st.tuples(CORNER, CORNER, CORNER))
def test_a_pixel_is_in_a_triangle_if_its_centre_is(corners: tuple[tuple[float, float], ...]) -> None:
    a, b, c = (np.array(corner) for corner in corners)
    centres = np.moveaxis(np.mgrid[:HEIGHT_PX, :WIDTH_PX][::-1], 0, -1) + 0.5
    sides = [cross(end - start, centres - start) for start, end in ((a, b), (b, c), (c, a))]
    certain = np.min(np.abs(sides), axis=0) > 1e-6
    inside = (np.min(sides, axis=0) > 0) | (np.max(sides, axis=0) < 0)
    covered = draw_mask([Outlines("a", "x", (corners,))], ["a"], WIDTH_PX, HEIGHT_PX) > 0
    if (inside & certain).any():
        np.testing.assert_array_equal(covered[certain], inside[certain])
