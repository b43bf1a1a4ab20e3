"""What CVAT, labelme and programs of YOLO write beyond the plain forms."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from fabgan.components.core.errors import UserError
from fabgan.components.ingest.annotations import draw_mask
from tests.unit.test_annotations import HEIGHT_PX, IMAGE, WIDTH_PX, annotated, coco, labelme, voc


def drawn(tmp_path: Path, files: dict[str, bytes]) -> NDArray[np.uint8]:
    found, _ = annotated(tmp_path, files)
    return draw_mask(found.shapes["lot-0/a.png"], found.kinds, WIDTH_PX, HEIGHT_PX)


def covered(rows: slice, columns: slice) -> NDArray[np.uint8]:
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    mask[rows, columns] = 1
    return mask


def turned_coco(rotation: Any) -> bytes:
    box = {"category_id": 3, "bbox": [10, 10, 8, 2], "segmentation": []}
    return coco(box | {"attributes": {"occluded": False, "rotation": rotation}})


def turned_voc(rotation: Any) -> bytes:
    attribute = f"<attribute><name>rotation</name><value>{rotation}</value></attribute>"
    return voc(("scratch", 11, 11, 18, 12)).replace(
        b"</object>", f"<attributes>{attribute}</attributes></object>".encode()
    )


TURNED = {"all.json": turned_coco, "a.xml": turned_voc}


@pytest.mark.parametrize("name", TURNED)
def test_boxes_of_cvat_are_turned_about_their_centres(tmp_path: Path, name: str) -> None:
    for degrees, rows, columns in ((0.0, slice(10, 12), slice(10, 18)), (90.0, slice(7, 15), slice(13, 15))):
        mask = drawn(tmp_path, {f"labels/{name}": TURNED[name](degrees)})
        np.testing.assert_array_equal(mask, covered(rows, columns))
    mask = drawn(tmp_path, {f"labels/{name}": TURNED[name](45.0)})
    assert mask[8, 11]  # clockwise: the left end goes up
    assert not mask[8, 16]


@pytest.mark.parametrize("name", TURNED)
@pytest.mark.parametrize("rotation", ["left", "", pytest.param(10**400, id="huge"), float("inf")])
def test_a_rotation_of_another_meaning_does_not_matter(tmp_path: Path, name: str, rotation: str) -> None:
    mask = drawn(tmp_path, {f"labels/{name}": TURNED[name](rotation)})
    np.testing.assert_array_equal(mask, covered(slice(10, 12), slice(10, 18)))


def test_a_turned_box_may_reach_beyond_its_photograph(tmp_path: Path) -> None:
    box = {"category_id": 3, "bbox": [0, 0, 16, 2], "attributes": {"rotation": 45.0}}
    mask = drawn(tmp_path, {"labels/all.json": coco(box)})
    assert mask[1, 8]
    far = {"category_id": 3, "bbox": [0, -8, 16, 2], "attributes": {"rotation": 45.0}}
    with pytest.raises(UserError, match="px beyond the photograph"):
        drawn(tmp_path, {"labels/all.json": coco(far)})


@pytest.mark.parametrize("attributes", [None, [], ["rotation"], "rotation"])
def test_attributes_of_other_tools_do_not_matter(tmp_path: Path, attributes: object) -> None:
    box = {"category_id": 3, "bbox": [10, 10, 8, 2], "attributes": attributes}
    mask = drawn(tmp_path, {"labels/all.json": coco(box)})
    np.testing.assert_array_equal(mask, covered(slice(10, 12), slice(10, 18)))


def bitmap(pixels: NDArray[Any], left: float, top: float, **changes: Any) -> dict[str, bytes]:
    """Return a file of labelme with a mask, as its models write it."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    height, width = pixels.shape
    corners = [[left, top], [left + width - 1, top + height - 1]]
    shape = {"label": "scratch", "shape_type": "mask", "points": corners}
    return {"labels/a.json": labelme(shape | {"mask": base64.b64encode(buffer.getvalue()).decode()} | changes)}


@pytest.mark.parametrize("value", [True, np.uint8(1), np.uint8(255)])
def test_a_mask_of_labelme_begins_at_its_first_point(tmp_path: Path, value: Any) -> None:
    mask = np.full((6, 9), value)
    mask[0, :] = mask[:, 0] = 0
    np.testing.assert_array_equal(drawn(tmp_path, bitmap(mask, 20.0, 10.0)), covered(slice(11, 16), slice(21, 29)))
    assert not drawn(tmp_path, bitmap(np.zeros_like(mask), 20.0, 10.0)).any()


@pytest.mark.parametrize(
    ("left", "changes", "message"),
    [
        (35, {}, "shapes.0: its mask reaches beyond the photograph of 40 x 30 px"),
        (-1, {}, "shapes.0: its mask reaches beyond the photograph of 40 x 30 px"),
        (20, {"mask": "aGVsbG8="}, "shapes.0: mask: not a PNG in base64"),
        (20, {"mask": "#"}, "shapes.0: mask: not a PNG in base64"),
        (20, {"mask": None}, "shapes.0: a mask of 2 points"),
    ],
)
def test_a_mask_of_labelme_that_does_not_fit_is_refused(
    tmp_path: Path, left: float, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        drawn(tmp_path, bitmap(np.ones((6, 9), np.bool_), left, 10, **changes))


@pytest.mark.parametrize("form", ["rectangle", "rotation"])
def test_a_rectangle_may_have_its_four_corners(tmp_path: Path, form: str) -> None:
    shape = {"label": "scratch", "shape_type": form, "points": [[10, 5], [14, 5], [14, 9], [10, 9]]}
    mask = drawn(tmp_path, {"labels/a.json": labelme(shape)})
    np.testing.assert_array_equal(mask, covered(slice(5, 9), slice(10, 14)))


@pytest.mark.parametrize("background", ["_background_", "__background__", "Background"])
def test_background_is_a_hole_in_a_larger_shape(tmp_path: Path, background: str) -> None:
    shapes = [rectangle("scratch", 4, 20), rectangle(background, 8, 16), rectangle("scratch", 10, 12)]
    found, _ = annotated(tmp_path, {"labels/a.json": labelme(*shapes)})
    assert found.kinds == ["scratch"]
    mask = draw_mask(found.shapes["lot-0/a.png"], found.kinds, WIDTH_PX, HEIGHT_PX)
    assert np.flatnonzero(mask[10]).tolist() == [4, 5, 6, 7, 10, 11, 16, 17, 18, 19]


def test_what_labelme_ignores_is_not_drawn(tmp_path: Path) -> None:
    shapes = [rectangle("scratch", 4, 20), rectangle("__ignore__", 8, 16), rectangle("__ignore__", 22, 24)]
    found, _ = annotated(tmp_path, {"labels/a.json": labelme(*shapes)})
    assert found.kinds == ["scratch"]
    mask = draw_mask(found.shapes["lot-0/a.png"], found.kinds, WIDTH_PX, HEIGHT_PX)
    assert np.flatnonzero(mask[10]).tolist() == list(range(4, 20))


def rectangle(label: str, left: int, right: int) -> dict[str, Any]:
    return {"label": label, "shape_type": "rectangle", "points": [[left, left], [right, right]]}


def test_a_circle_may_reach_beyond_its_photograph_by_its_radius(tmp_path: Path) -> None:
    circle = {"label": "scratch", "shape_type": "circle", "points": [[0, 15], [8, 15]]}
    mask = drawn(tmp_path, {"labels/a.json": labelme(circle)})
    assert (np.flatnonzero(mask[15]).tolist(), np.flatnonzero(mask[:, 0]).tolist()) == ([*range(8)], [*range(7, 23)])
    with pytest.raises(UserError, match=r"shapes.0: the scratch reaches 13 px beyond"):
        drawn(tmp_path, {"labels/a.json": labelme(circle | {"points": [[-5, 15], [3, 15]]})})


@pytest.mark.parametrize("outlines", [[10, 10, 18, 10, 18, 12, 10, 12], [[]], [[], [10, 10, 18, 10, 18, 12, 10, 12]]])
def test_outlines_of_coco_may_be_empty_or_lack_their_list(tmp_path: Path, outlines: list[Any]) -> None:
    found = {"category_id": 3, "bbox": [10, 10, 8, 2], "segmentation": outlines}
    np.testing.assert_array_equal(
        drawn(tmp_path, {"labels/all.json": coco(found)}), covered(slice(10, 12), slice(10, 18))
    )


@pytest.mark.parametrize(("listed", "meant"), [(7, "7"), ("7", 7)])
def test_numbers_of_images_in_coco_may_be_texts(tmp_path: Path, listed: Any, meant: Any) -> None:
    box = {"category_id": 3, "bbox": [10, 10, 8, 2], "image_id": meant}
    assert drawn(tmp_path, {"labels/all.json": coco(box, images=[IMAGE | {"id": listed}])}).any()


@pytest.mark.parametrize("unknown", [{"width": 0}, {"height": 0}])
def test_the_size_in_coco_counts_if_it_is_known(tmp_path: Path, unknown: dict[str, int]) -> None:
    box = {"category_id": 3, "bbox": [10, 10, 8, 2]}
    mask = drawn(tmp_path, {"labels/all.json": coco(box, images=[IMAGE | {"width": 9, "height": 9} | unknown])})
    np.testing.assert_array_equal(mask, covered(slice(10, 12), slice(10, 18)))


@pytest.mark.parametrize("points", ["0.1 0.2 2 0.3 0.4 1", "0.1 0.2 0 0.3 0.4 0.9"])
def test_of_a_box_with_key_points_only_the_box_counts(tmp_path: Path, points: str) -> None:
    files = {"labels/a.txt": f"0 .5 .5 .2 .2 {points}\n".encode()}
    mask = drawn(tmp_path, files | {"data.yaml": b"names: [scratch]\nkpt_shape: [2, 3]\n"})
    np.testing.assert_array_equal(mask, covered(slice(12, 18), slice(16, 24)))


@pytest.mark.parametrize(("numbers", "names"), [(7, "kpt_shape: [2, 2]"), (11, "kpt_shape: [2, 3]"), (7, "nc: 1")])
def test_an_odd_number_of_shares_is_refused_with_other_key_points(tmp_path: Path, numbers: int, names: str) -> None:
    files = {"labels/a.txt": f"0{' .5' * numbers}\n".encode(), "data.yaml": f"names: [scratch]\n{names}\n".encode()}
    with pytest.raises(UserError, match=f"line 1: {numbers} shares"):
        drawn(tmp_path, files)


@pytest.mark.parametrize("shape", ["[many]", "null", "many"])
def test_key_points_of_another_form_do_not_matter(tmp_path: Path, shape: str) -> None:
    files = {"labels/a.txt": b"0 .5 .5 .2 .2\n", "data.yaml": f"names: [scratch]\nkpt_shape: {shape}\n".encode()}
    assert drawn(tmp_path, files).any()


@pytest.mark.parametrize(
    "names", ["[ok, no, 1.10]", "{0: ok, 1: no, 2: 1.10}", "{'0': ok, '1': no, '2': 1.10}", "\n- ok\n- no\n- 1.10"]
)
def test_class_names_in_yaml_are_texts(tmp_path: Path, names: str) -> None:
    lines = "".join(f"{number} .5 .5 .2 .2\n" for number in range(3))
    found, _ = annotated(tmp_path, {"labels/a.txt": lines.encode(), "data.yaml": f"nc: 3\nnames: {names}\n".encode()})
    assert found.kinds == ["1.10", "no", "ok"]


def test_what_yolo_keeps_beside_its_labels_is_no_annotation(tmp_path: Path) -> None:
    files = {"labels/a.txt": b"0 .5 .5 .2 .2\n", "classes.txt": b"scratch\n"}
    cache = dict.fromkeys(("labels/train.cache", "train.cache"), b"\x80\x04\x95")
    found, taken = annotated(tmp_path, files | cache)
    assert (list(found.shapes), taken) == (["lot-0/a.png"], ["lot-0/a.png", "lot-1/b.png"])


def test_a_mapping_of_class_names_may_begin_with_1(tmp_path: Path) -> None:
    names = {"data.yaml": b"names: {1: scratch, 2: dent}\n"}
    found, _ = annotated(tmp_path, names | {"labels/a.txt": b"1 .5 .5 .2 .2\n"})
    assert found.kinds == ["scratch"]
    with pytest.raises(UserError, match=r"line 1: class 0 is not in data.yaml, which names 2, from 1"):
        annotated(tmp_path, {"labels/a.txt": b"0 .5 .5 .2 .2\n"})


LINES = {"labels/a.txt": b"1 .5 .5 .2 .2\n", "data.yaml": b"names: [scratch, dent]\n"}


@pytest.mark.parametrize("name", ["labels/classes.txt", "lot-0/obj.names", "lot-1/dataset.yaml"])
def test_several_files_may_name_the_same_classes(tmp_path: Path, name: str) -> None:
    names = b"names: {0: scratch, 1: dent}" if name.endswith(".yaml") else b"scratch\r\ndent\r\n"
    assert annotated(tmp_path, LINES | {name: names})[0].kinds == ["dent"]
    with pytest.raises(UserError, match=r"must be in one file .*, or the same in all; .*data.yaml"):
        annotated(tmp_path, {name: names.replace(b"dent", b"pit")})


@pytest.mark.parametrize("folder", ["#recycle", "labels/@eaDir", "lot-0/.cache"])
def test_deleted_and_hidden_files_name_no_classes(tmp_path: Path, folder: str) -> None:
    assert annotated(tmp_path, LINES | {f"{folder}/classes.txt": b"pit\ndent\n"})[0].kinds == ["dent"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ("{0: a, 2: b}", "expected the names of classes, .* from 0 or 1"),
        ("{a: 0, b: 1}", "expected the names of classes"),
        ("a", "expected the names of classes"),
        ("{0: a, 0: b}", "not a file of class names: the key 0 is given twice"),
        ("[" * 100_000, "not a file of class names: maximum recursion depth"),
    ],
)
def test_class_names_without_all_numbers_are_refused(tmp_path: Path, names: str, message: str) -> None:
    files = {"labels/a.txt": b"0 .5 .5 .2 .2\n", "data.yaml": f"names: {names}\n".encode()}
    with pytest.raises(UserError, match=f"data.yaml: {message}"):
        annotated(tmp_path, files)
