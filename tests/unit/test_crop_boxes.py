"""Packages are cut out by the boxes that somebody annotated."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from fabgan.components.artifacts.manifest import FrameManifest, PackageManifest, read_manifest
from fabgan.components.core.errors import UserError
from fabgan.components.core.images import write_png
from fabgan.components.core.parameters import parse
from fabgan.components.crop_resize import step as crop_resize
from fabgan.components.crop_resize.parameters import CropResizeParameters
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.parameters import IngestParameters
from tests.conftest import section
from tests.drawn import FRAME_PX, Mask, drawn

HEIGHT_PX, WIDTH_PX = FRAME_PX
LEFT, TOP, RIGHT, BOTTOM = BOX_PX = (130, 100, 350, 260)
"""Around the package of a frame that is not turned."""
NAMES = [f"lot-{at // 2}/{at}.png" for at in range(8)]


def photographs(folder: Path) -> list[Mask]:
    frames = []
    for at, name in enumerate(NAMES):
        frame, _ = drawn(0.0)
        frame[0, at] = 0  # no two files are the same
        write_png(folder / name, frame)
        frames.append(frame)
    return frames


def coco(*kinds: str, boxes: int = 1) -> str:
    left, top, right, bottom = BOX_PX
    images = [{"id": at, "file_name": name, "width": WIDTH_PX, "height": HEIGHT_PX} for at, name in enumerate(NAMES)]
    box = {"category_id": 0, "bbox": [left, top, right - left, bottom - top]}
    annotations = [box | {"image_id": at} for at in range(len(NAMES)) for _ in range(boxes)]
    categories = [{"id": number, "name": kind} for number, kind in enumerate(kinds)]
    for number in range(1, len(kinds)):
        annotations.append({"image_id": 0, "category_id": number, "bbox": [left - 10, top + 20, 30, 40]})
    return json.dumps({"images": images, "annotations": annotations, "categories": categories})


def yolo() -> dict[str, str]:
    x, y = (LEFT + RIGHT) / 2 / WIDTH_PX, (TOP + BOTTOM) / 2 / HEIGHT_PX
    line = f"0 {x} {y} {(RIGHT - LEFT) / WIDTH_PX} {(BOTTOM - TOP) / HEIGHT_PX}"
    return {f"boxes/{name.removesuffix('png')}txt": line for name in NAMES} | {"classes.txt": "chip\n"}


def voc() -> dict[str, str]:
    box = f"<xmin>{LEFT + 1}</xmin><ymin>{TOP + 1}</ymin><xmax>{RIGHT}</xmax><ymax>{BOTTOM}</ymax>"
    xml = f"<annotation><object><name>IC</name><bndbox>{box}</bndbox></object></annotation>"
    return {f"boxes/{Path(name).stem}.xml": xml for name in NAMES}


def labelme() -> dict[str, str]:
    corners = [(LEFT, TOP + 50), (LEFT + 60, TOP), (RIGHT, TOP + 60), (RIGHT - 20, BOTTOM)]
    shape = {"label": "package", "points": corners}
    return {
        f"boxes/{Path(name).stem}.json": json.dumps({"shapes": [shape], "imagePath": f"../{name}"}) for name in NAMES
    }


def made(folder: Path, files: dict[str, str], **changes: str) -> tuple[FrameManifest, PackageManifest]:
    """Take photographs with these files beside them, and cut their packages out."""
    for name, content in files.items():
        path = folder / "photographs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    asked = {"boxes": "boxes", "held_out_share": 0.3} | changes
    params = section("ingest", source=str(folder / "photographs"), **asked)
    ingest.run(parse(IngestParameters, params, "tests"), folder / "frames")
    asked = section("crop_resize", find="box", sizes_px=[220], max_quarantined_share=0.5)
    crop_resize.run(parse(CropResizeParameters, asked, "tests"), folder / "frames", folder / "packages")
    return read_manifest(folder / "frames", FrameManifest), read_manifest(folder / "packages", PackageManifest)


TWICE = dict.fromkeys(["boxes/all.json", "boxes/again.json"], coco("package"))


@pytest.mark.parametrize("files", [{"boxes/all.json": coco("package")}, yolo(), voc(), labelme(), TWICE])
def test_the_crop_is_the_box_filled_up_to_a_square(tmp_path: Path, files: dict[str, str]) -> None:
    shown = photographs(tmp_path / "photographs")
    frames, packages = made(tmp_path, files)
    assert [frame.boxes_px for frame in frames.images] == [[BOX_PX]] * len(NAMES)
    assert not any(frame.mask for frame in frames.images)
    for frame, package in zip(shown, packages.images, strict=True):
        with Image.open(tmp_path / "packages" / package.files["220"]) as image:
            crop = np.asarray(image)
        np.testing.assert_array_equal(crop[30:190], frame[TOP:BOTTOM, LEFT:RIGHT])
        np.testing.assert_array_equal(crop[:30], np.broadcast_to(crop[30], (30, 220, 3)))
        assert (package.crop_px, package.angle_deg) == (220, 0)
        assert package.outline_px[::2] == [(LEFT - 0.5, TOP - 0.5), (RIGHT - 0.5, BOTTOM - 0.5)]


def test_packages_and_defects_may_be_in_the_same_file(tmp_path: Path) -> None:
    photographs(tmp_path / "photographs")
    files = {"labels.json": coco("Package", "dent")}
    frames, packages = made(tmp_path, files, boxes="labels.json", annotations="labels.json")
    assert frames.kinds == packages.kinds == ["dent"]
    assert [frame.boxes_px for frame in frames.images] == [[BOX_PX]] * len(NAMES)
    assert frames.skipped == {"an annotation of defects": 1}
    first, *others = packages.images
    ((defect,), outside_px) = first.defects, first.defects_outside_px
    assert (defect.kind, defect.box_px, defect.area_px) == ("dent", (0, 50, 20, 90), 800)
    assert outside_px == 10 * 40
    assert all(package.masks and not package.defects for package in others)


def test_a_frame_without_its_box_is_quarantined(tmp_path: Path) -> None:
    photographs(tmp_path / "photographs")
    files = voc()
    del files["boxes/0.xml"]
    files["boxes/2.xml"] = files["boxes/2.xml"].replace(f"<ymax>{BOTTOM}", f"<ymax>{TOP + 15}")
    files["boxes/4.xml"] = re.sub("(<object>.*<xmin>)131(.*</object>)", r"\g<1>131\2\g<1>135\2", files["boxes/4.xml"])
    _, packages = made(tmp_path, files)
    assert {item.source: item.reason for item in packages.quarantined} == {
        "lot-0/0.png": "it has 0 boxes of a package, not one; see ingest.boxes",
        "lot-1/2.png": "its box has 220 x 15 px, less than 16",
        "lot-2/4.png": "it has 2 boxes of a package, not one; see ingest.boxes",
    }


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "ingest.boxes: boxes: no file of the source has this name, folder or pattern"),
        ({"boxes/a.json": coco("chip", "ball")}, "boxes: it has the kinds ball, chip; call that of the packages `pack"),
        ({"boxes/a.json": "{"}, "^boxes/a.json .ingest.boxes.: not valid JSON"),
        (
            {"boxes/0.xml": voc()["boxes/0.xml"].replace("350", "490")},
            "xml .ingest.boxes.: object 1: .* 10 px beyond",
        ),
    ],
)
def test_boxes_that_cannot_be_read_are_refused_with_the_place(
    tmp_path: Path, files: dict[str, str], message: str
) -> None:
    photographs(tmp_path / "photographs")
    with pytest.raises(UserError, match=message):
        made(tmp_path, files)


def test_a_box_that_was_corrected_is_cut_out_again(tmp_path: Path) -> None:
    photographs(tmp_path / "photographs")
    made(tmp_path, voc())
    corrected = voc() | {"boxes/1.xml": voc()["boxes/1.xml"].replace(f"<xmax>{RIGHT}", f"<xmax>{RIGHT - 9}")}
    _, packages = made(tmp_path, corrected)
    assert [package.crop_px for package in packages.images] == [220, 211, *[220] * 6]
