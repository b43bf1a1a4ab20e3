"""Masks follow their photographs through straightening, cropping and resizing."""

import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from benchmarks.tilt import tilted
from fabgan.components.artifacts.manifest import Package, PackageManifest, read_manifest
from fabgan.components.artifacts.packages import open_packages
from fabgan.components.core.errors import UserError
from fabgan.components.core.images import write_png
from fabgan.components.core.masks import values_of
from fabgan.components.core.parameters import parse
from fabgan.components.crop_resize import step as crop_resize
from fabgan.components.crop_resize.masks import defects_of, resized_mask
from fabgan.components.crop_resize.parameters import CropResizeParameters
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.parameters import IngestParameters
from tests.conftest import section
from tests.drawn import Mask, drawn

ANGLES_DEG = (17.0, -9.0, 0.0, 33.0)


def ingested(folder: Path, tilt_deg: float = 0.0) -> Path:
    """Ingest four photographs in two lots, of which all but the last have masks."""
    for at, angle_deg in enumerate(ANGLES_DEG):
        frame, mask = (as_tilted(image, tilt_deg) for image in drawn(angle_deg))
        frame[0, at] = 0  # no two files are the same
        write_png(folder / "photographs" / f"lot-{at // 2}" / f"{at}.png", frame)
        if at < 3:
            write_png(folder / "photographs" / "masks" / f"{at}.png", mask)
    (folder / "photographs" / "classes.txt").write_text("scratch\ndent\n")
    params = section("ingest", source=str(folder / "photographs"), annotations="masks")
    ingest.run(parse(IngestParameters, params, "tests"), folder / "frames")
    return folder / "frames"


def as_tilted(image: Mask, tilt_deg: float) -> Mask:
    """Return a photograph or a mask as a tilted camera shows it."""
    corners = np.zeros((1, 2))
    if image.ndim == 3:
        return tilted(image, corners, tilt_deg, 40)[0]
    shown = ((value, tilted((image == value).astype(np.uint8) * 255, corners, tilt_deg, 40)[0]) for value in (1, 2))
    return np.asarray(sum((part > 127) * value for value, part in shown), np.uint8)


def cropped(frames: Path, **changes: object) -> tuple[Path, PackageManifest]:
    output = frames.parent / "packages"
    crop_resize.run(parse(CropResizeParameters, section("crop_resize", **changes), "tests"), frames, output)
    return output, read_manifest(output, PackageManifest)


def pixels(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        return np.asarray(image)


def shown(image: Mask, channel: int) -> NDArray[np.bool_]:
    """Return where a photograph shows one of the marks."""
    return np.asarray(image[:, :, channel].astype(int) - image[:, :, 1 - channel] > 105)


@pytest.mark.parametrize(("find", "tilt_deg"), [("outline", 0), ("outline", 8), ("whole", 0)])
def test_masks_lie_where_the_photograph_shows_the_marks(tmp_path: Path, find: str, tilt_deg: float) -> None:
    folder, manifest = cropped(ingested(tmp_path, tilt_deg), sizes_px=[64, 200, 500], find=find)
    assert manifest.kinds == ["dent", "scratch"]
    annotated = [package for package in manifest.images if package.masks]
    assert len(annotated) == 3
    for package in annotated:
        for size in ("64", "200", "500"):
            image, mask = pixels(folder / package.files[size]), pixels(folder / package.masks[size])
            assert mask.shape == image.shape[:2]
            for value, channel in ((2, 0), (1, 1)):  # kinds are in alphabetical order
                seen, said = shown(image, channel), (mask == value).astype(np.uint8)
                around = np.ones((3, 3), np.uint8)
                if int(size) > package.crop_px:  # a pixel of the crop is larger
                    around = np.ones((5, 5), np.uint8)
                assert not (seen & (cv2.dilate(said, around) == 0)).any()
                assert not ((cv2.erode(said, around) > 0) & ~seen).any()
                assert said.any()


def test_defects_are_listed_with_boxes_that_scale_to_every_size(tmp_path: Path) -> None:
    folder, manifest = cropped(ingested(tmp_path), sizes_px=[64, 200])
    straight = next(package for package in manifest.images if package.source.endswith("2.png"))
    sizes_px = {defect.kind: box_size(defect.box_px) for defect in straight.defects}
    assert sizes_px == {"scratch": pytest.approx((40, 30), abs=2), "dent": pytest.approx((60, 50), abs=2)}
    for package in (package for package in manifest.images if package.masks):
        for defect in package.defects:
            for size, file in package.masks.items():
                kind = (pixels(folder / file) == manifest.kinds.index(defect.kind) + 1).astype(np.uint8)
                left, top, width, height = cv2.boundingRect(kind)
                scaled = [edge * package.scales[size] for edge in defect.box_px]
                assert scaled == pytest.approx([left, top, left + width, top + height], abs=1.01)
    assert all(package.defects == [] for package in manifest.images if not package.masks)


def test_manifest_says_what_a_homography_straightened(tmp_path: Path) -> None:
    """A mark of the package, of 40 x 30 px, is as large as without the tilt."""
    _, straight = cropped(ingested(tmp_path / "straight"))
    folder, manifest = cropped(ingested(tmp_path / "tilted", 8))
    assert "keystone_deg" not in (tmp_path / "straight" / "packages" / "manifest.json").read_text()
    assert all(2 < package.keystone_deg < 4 for package in manifest.images)
    assert "keystone 3." in (folder / "contact_sheet.html").read_text()
    for package, other in zip(manifest.images, straight.images, strict=True):
        for defect, same in zip(package.defects, other.defects, strict=True):
            assert box_size(defect.box_px) == pytest.approx(box_size(same.box_px), abs=3)


def box_size(box_px: tuple[int, int, int, int]) -> tuple[int, int]:
    left, top, right, bottom = box_px
    return right - left, bottom - top


def test_masks_are_read_for_later_steps(tmp_path: Path) -> None:
    folder, manifest = cropped(ingested(tmp_path))
    opened = open_packages(folder, 64)
    for package, mask_HW in zip(manifest.images, opened.masks(), strict=True):
        if package.masks:
            assert mask_HW is not None
            np.testing.assert_array_equal(mask_HW.numpy(), pixels(folder / package.masks["64"]))
        else:
            assert mask_HW is None
    assert opened.chosen([0]).kinds == opened.kinds == ["dent", "scratch"]
    first = next(package for package in manifest.images if package.masks)
    (folder / first.masks["64"]).write_bytes(b"x")
    with pytest.raises(UserError, match=r"its content differs from the manifest.*run crop_resize again"):
        list(opened.masks())


def test_a_mask_that_was_changed_is_noticed(tmp_path: Path) -> None:
    frames = ingested(tmp_path)
    next((frames / "masks").iterdir()).write_bytes(b"x")
    with pytest.raises(UserError, match=r"masks/.*its content differs from the manifest.*run ingest again"):
        cropped(frames)


def test_defects_beside_the_package_are_counted_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames, source = ingested(tmp_path), tmp_path / "photographs"
    cropped(frames)
    assert "lie outside" not in capsys.readouterr().err
    _, mask = drawn(0.0)
    mask[2:8, 3:13] = 1
    write_png(source / "masks" / "2.png", mask)
    ingest.run(parse(IngestParameters, section("ingest", source=str(source), annotations="masks"), "tests"), frames)
    _, manifest = cropped(frames)
    outside = {package.source: package.defects_outside_px for package in manifest.images}
    assert outside == {"lot-0/0.png": 0, "lot-0/1.png": 0, "lot-1/2.png": 60, "lot-1/3.png": 0}
    assert "defects of 1 packages lie outside their crops" in capsys.readouterr().err


def test_a_thin_scratch_is_still_there_when_the_mask_shrinks() -> None:
    mask = np.zeros((640, 640), np.uint8)
    cv2.line(mask, (20, 40), (600, 500), (3,), 1)
    small = resized_mask(mask, 64)
    assert cv2.connectedComponents((small == 3).astype(np.uint8), connectivity=8)[0] == 2
    assert 58 <= np.count_nonzero(small) <= 116
    mask[300:400, 300:400] = 5
    small = resized_mask(mask, 64)
    assert np.count_nonzero(small == 5) == 100


def test_parts_of_one_kind_that_nearly_touch_are_one_defect() -> None:
    mask = np.zeros((20, 20), np.uint8)
    mask[2, 2:6] = mask[2, 8:10] = 1
    mask[12:14, 3:5] = 1
    mask[2, 6] = 2
    found = {(defect.kind, defect.box_px, defect.area_px) for defect in defects_of(mask, ["a", "b"])}
    assert found == {("a", (2, 2, 10, 3), 6), ("a", (3, 12, 5, 14), 4), ("b", (6, 2, 7, 3), 1)}


def test_without_annotations_packages_say_nothing_of_masks(packages: Path) -> None:
    words = set((packages / "manifest.json").read_text().replace('"', " ").split())
    assert not {"kinds", "masks", "masks_sha256", "defects", "defects_outside_px"} & words
    assert not (packages / "masks").exists()
    assert isinstance(read_manifest(packages, PackageManifest).images[0], Package)


def test_the_values_of_a_large_mask_are_found_without_a_copy_of_it() -> None:
    mask = np.zeros((2000, 3000), np.uint8)
    mask[7, 5], mask[1000:, 9], mask[-1, -1] = 3, 255, 1
    tracemalloc.start()
    assert values_of(mask) == [1, 3, 255]
    assert tracemalloc.get_traced_memory()[1] < mask.size / 10
    tracemalloc.stop()
    assert values_of(mask[::-2, 4::5]) == [1, 255]
    assert values_of(np.zeros((3, 4), np.uint8)) == []
