"""One photograph more, or another split, does no work again for the photographs that are still the same."""

import json
import os
import shutil
from pathlib import Path

import cv2
import pytest
import yaml

from fabgan.components.artifacts.manifest import FrameManifest, PackageManifest, manifest_digest, read_manifest
from fabgan.components.core.files import sha256_of_file
from fabgan.components.core.images import write_png
from fabgan.components.core.parameters import parse
from fabgan.components.crop_resize import step as crop_resize
from fabgan.components.crop_resize.parameters import CropResizeParameters
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.parameters import IngestParameters
from tests.conftest import RENDERED, section
from tests.drawn import drawn

Times = dict[str, int]


def add(folder: Path, number: int) -> None:
    frame, mask = drawn(5.0 * number)
    frame[0, 2 * number] = 0  # no two files are the same
    write_png(folder / "photographs" / f"lot-{number % 3}" / f"{number}.png", frame)
    write_png(folder / "photographs" / "masks" / f"{number}.png", mask)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with six photographs in three lots, and their masks."""
    for number in range(6):
        add(tmp_path, number)
    (tmp_path / "photographs" / "classes.txt").write_text("scratch\ndent\n")
    return tmp_path


def made(folder: Path, cropping: dict[str, object] | None = None, **changes: object) -> dict[str, Times]:
    """Run both steps; return when each file of each step was written, by the name of its photograph."""
    asked = {"source": str(folder / "photographs"), "annotations": "masks"} | changes
    given = section("ingest", **asked)
    ingest.run(parse(IngestParameters, given, "tests"), folder / "frames")
    params = parse(CropResizeParameters, section("crop_resize", **(cropping or {})), "tests")
    crop_resize.run(params, folder / "frames", folder / "packages")
    return {step: times(folder / step) for step in ("frames", "packages")}


def times(folder: Path) -> Times:
    files = [path for path in folder.rglob("*") if path.suffix in (".png", ".jpg") or path.parent.name == "truth"]
    return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in files}


def made_anew(before: Times, after: Times) -> set[str]:
    """Return the names of the photographs whose files were written since."""
    changed = {file for file, time in after.items() if before.get(file) != time}
    return {Path(file).stem.rpartition("-")[0] for file in changed}


def test_one_photograph_more_redoes_nothing_for_the_others(folder: Path) -> None:
    before = made(folder)
    add(folder, 6)
    after = made(folder)
    for step in ("frames", "packages"):
        assert made_anew(before[step], after[step]) == {"6"}
        assert len(after[step]) == 14
    fresh = folder.parent / f"{folder.name}-fresh"
    shutil.copytree(folder / "photographs", fresh / "photographs")
    made(fresh)
    one, other = (read_manifest(place / "packages", PackageManifest) for place in (folder, fresh))
    assert one.images == other.images


def coco(numbers: list[int]) -> str:
    """Return boxes of defects in photographs, one each."""
    images = [{"id": number, "file_name": f"{number}.png", "width": 480, "height": 360} for number in numbers]
    boxes = [{"image_id": number, "category_id": 0, "bbox": [200, 150, 20, 10]} for number in numbers]
    return json.dumps({"images": images, "annotations": boxes, "categories": [{"id": 0, "name": "dent"}]})


def test_annotations_that_stand_in_another_place_of_their_file_are_the_same(folder: Path) -> None:
    shutil.rmtree(folder / "photographs" / "masks")
    (folder / "photographs" / "all.json").write_text(coco([0, 1, 2, 3, 4, 5]))
    before = made(folder, annotations="all.json")
    add(folder, 6)
    shutil.rmtree(folder / "photographs" / "masks")
    (folder / "photographs" / "all.json").write_text(coco([6, 5, 4, 3, 2, 1, 0]))
    after = made(folder, annotations="all.json")
    for step in ("frames", "packages"):
        assert made_anew(before[step], after[step]) == {"6"}


def test_checksums_of_masks_that_stand_in_another_line_are_the_same(folder: Path) -> None:
    sums = folder / "photographs" / "SHA256SUMS"
    lines = [f"{sha256_of_file(folder / 'photographs' / 'masks' / f'{at}.png')}  masks/{at}.png\n" for at in range(6)]
    sums.write_text("".join(lines))
    before = made(folder)
    sums.write_text("".join(lines[::-1]))
    after = made(folder)
    assert [made_anew(before[step], after[step]) for step in before] == [set(), set()]


def test_one_photograph_less_leaves_no_file_of_it(folder: Path) -> None:
    before = made(folder)
    (folder / "photographs" / "lot-0" / "0.png").unlink()
    (folder / "photographs" / "masks" / "0.png").unlink()
    after = made(folder)
    for step in ("frames", "packages"):
        assert made_anew(before[step], after[step]) == set()
        assert len(after[step]) == 10


def test_another_split_redoes_nothing(folder: Path) -> None:
    before = made(folder, seed=1, held_out_share=0.1)
    splits = [image.split for image in read_manifest(folder / "packages", PackageManifest).images]
    after = made(folder, seed=1, held_out_share=0.5, lot_pattern="^(lot-.)/")
    assert splits != [image.split for image in read_manifest(folder / "packages", PackageManifest).images]
    assert [made_anew(before[step], after[step]) for step in before] == [set(), set()]


def test_a_photograph_or_a_mask_that_has_changed_is_done_again(folder: Path) -> None:
    before = made(folder)
    write_png(folder / "photographs" / "lot-1" / "1.png", drawn(50.0)[0])
    write_png(folder / "photographs" / "masks" / "2.png", drawn(50.0)[1])
    after = made(folder)
    assert made_anew(before["packages"], after["packages"]) == {"1", "2"}


def test_a_photograph_of_the_same_size_and_time_as_the_one_it_replaces_is_read(folder: Path) -> None:
    place = folder / "photographs" / "lot-1" / "1.png"
    frame = drawn(5.0)[0]
    cv2.imwrite(str(place.with_suffix(".bmp")), frame)
    place.with_suffix(".bmp").replace(place)
    made(folder)
    before = place.stat()
    frame[0, 0] = 1
    cv2.imwrite(str(folder / "new.bmp"), frame)
    os.utime(folder / "new.bmp", ns=(before.st_atime_ns, before.st_mtime_ns))
    (folder / "new.bmp").replace(place)
    assert (place.stat().st_size, place.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    made(folder)
    (found,) = (
        image for image in read_manifest(folder / "frames", FrameManifest).images if image.source == "lot-1/1.png"
    )
    assert found.sha256 == sha256_of_file(place)


def test_other_parameters_do_all_crops_again(folder: Path) -> None:
    before = made(folder)
    after = made(folder, {"margin_share": 0.1})
    assert made_anew(before["frames"], after["frames"]) == set()
    assert made_anew(before["packages"], after["packages"]) == set("012345")


def test_a_photograph_that_could_not_be_read_is_tried_again(folder: Path) -> None:
    place = folder / "photographs" / "lot-0" / "0.png"
    content = place.read_bytes()
    target = folder / "elsewhere.png"
    place.unlink()
    place.symlink_to(target)
    made(folder, max_quarantined_share=0.5)
    assert [item.source for item in read_manifest(folder / "frames", FrameManifest).quarantined] == ["lot-0/0.png"]
    target.write_bytes(content)
    made(folder)
    assert not read_manifest(folder / "frames", FrameManifest).quarantined


def test_more_rendered_frames_leave_the_others_as_they_are(tmp_path: Path) -> None:
    source, digests, before = tmp_path / "rendered.yaml", [], Times()
    for frames in (9, 10, 10):
        source.write_text(yaml.safe_dump(RENDERED | {"frames": frames}))
        ingest.run(parse(IngestParameters, section("ingest", source=str(source)), "tests"), tmp_path / "frames")
        after = times(tmp_path / "frames")
        changed = {Path(file).stem for file, time in after.items() if before.get(file) != time}
        digests.append((manifest_digest(tmp_path / "frames"), len(changed)))
        before = after
    assert [count for _, count in digests] == [9, 1, 0]
    assert digests[1][0] == digests[2][0]
