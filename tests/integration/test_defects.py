"""`fabgan defects` as a person uses it: from annotated packages to a training set with masks and boxes."""

import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fabgan.components.artifacts.contact import thumbnail
from fabgan.components.artifacts.manifest import (
    DefectManifest,
    FrameManifest,
    PackageManifest,
    read_manifest,
    write_manifest,
)
from fabgan.components.artifacts.packages import open_packages
from fabgan.components.core.files import read_json, sha256_of_file, write_json
from fabgan.components.core.images import read_image
from fabgan.components.core.parameters import parse
from fabgan.components.defects.cutouts import neighbourhood
from fabgan.components.defects.pool import pool_of
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.parameters import IngestParameters
from tests.annotated import SIZE_PX, annotated_packages
from tests.conftest import section

pytestmark = pytest.mark.integration
KINDS = ["bridged_balls", "contamination", "deformed_ball", "missing_ball", "scratch"]


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of rendered packages with masks. Not to be changed."""
    return annotated_packages(tmp_path_factory.mktemp("annotated"), defect_share=0.7)


def defects(packages: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    arguments = [f"--packages={packages}", f"--size={SIZE_PX}", f"--out={out}", *options]
    command = [sys.executable, "-m", "fabgan", "defects", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def made(packages: Path, out: Path, *options: str) -> DefectManifest:
    done = defects(packages, out, *options)
    assert done.returncode == 0, done.stderr
    return read_manifest(out, DefectManifest)


def test_every_kind_is_pasted_into_training_images_without_defects(annotated: Path, tmp_path: Path) -> None:
    found = made(annotated, tmp_path / "out", "--per-kind=3", "--defects-per-image=2")
    manifest = read_manifest(annotated, PackageManifest)
    packages = {package.name: package for package in manifest.images}
    seen = {defect.kind for package in packages.values() if package.split == "train" for defect in package.defects}
    assert manifest.kinds == KINDS
    assert len(seen) > 3
    assert [image.kind for image in found.images] == [kind for kind in KINDS if kind in seen for _ in range(3)]
    for image in found.images:
        background, sources = packages[image.background], [packages[name] for name in image.defects_from]
        assert len(sources) == 2
        assert {package.split for package in [background, *sources]} == {"train"}
        assert not background.defects
        for source in sources:
            assert image.kind in {defect.kind for defect in source.defects}
        pixels, before = read_image(tmp_path / "out" / image.file), read_image(annotated / background.files["128"])
        mask = read_image(tmp_path / "out" / image.mask, image.mask_sha256)
        assert set(np.unique(mask)) == {0, KINDS.index(image.kind) + 1}
        assert np.array_equal(pixels[~neighbourhood(mask > 0)], before[~neighbourhood(mask > 0)])
        assert not np.array_equal(pixels[mask > 0], before[mask > 0])
        boxed = np.zeros(mask.shape, bool)
        for left, top, right, bottom in image.boxes_px:
            boxed[top:bottom, left:right] = True
            assert mask[top:bottom, left].any()
            assert mask[bottom - 1, left:right].any()
        assert not mask[~boxed].any()


def test_a_package_that_nobody_looked_at_is_no_background_unless_there_is_no_other(
    annotated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    packages = open_packages(annotated, SIZE_PX, "train")
    good = [package.name for package in packages.listed if not package.defects]
    unknown = [package if package.name != good[0] else replace(package, masks={}) for package in packages.listed]
    assert good[0] not in [one.name for one in pool_of(replace(packages, listed=unknown)).backgrounds.listed]
    assert "empty mask" not in capsys.readouterr().err
    # Nobody looked at any but one, or one has its defect outside of the crop.
    changes: list[dict[str, Any]] = [{"masks": {}}, {"defects_outside_px": 9}]
    for known in changes:
        for keep in (set(), {good[0]}):
            unknown = [
                package if package.defects or package.name in keep else replace(package, **known)
                for package in packages.listed
            ]
            assert [one.name for one in pool_of(replace(packages, listed=unknown)).backgrounds.listed] == good
            assert f": {len(keep)} of {len(good)} training images" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("layout", "annotations"),
    [("masks", "masks"), ("coco", "annotations.json"), ("mvtec", "ground_truth"), ("yolo", "labels")],
)
def test_layouts_are_read_back(annotated: Path, tmp_path: Path, layout: str, annotations: str) -> None:
    """What is written is what `ingest` reads: the same masks to the pixel, but for YOLO, which has boxes alone."""
    out = tmp_path / "out"
    found = made(annotated, out, "--per-kind=2", f"--layout={layout}")
    masks = {image.file: read_image(out / image.mask) > 0 for image in found.images}
    if layout in ("coco", "yolo"):
        shutil.rmtree(out / "masks")  # else these would be photographs
    asked = {"source": str(out), "annotations": annotations, "lot_pattern": "^(.*)$"}
    ingest.run(parse(IngestParameters, section("ingest", **asked), "tests"), tmp_path / "frames")
    frames = read_manifest(tmp_path / "frames", FrameManifest)
    read = {frame.source: frame for frame in frames.images}
    for image in found.images:
        frame = read[image.file]
        mask = read_image(tmp_path / "frames" / frame.mask)
        (value,) = np.unique(mask[mask > 0]).tolist()
        assert frames.kinds[value - 1] == image.kind
        expected = masks[image.file]
        if layout == "yolo":
            expected = np.zeros_like(expected)
            for left, top, right, bottom in image.boxes_px:
                expected[top:bottom, left:right] = True
        assert np.array_equal(mask > 0, expected), image.file


def test_the_same_command_gives_the_same_images_and_more_begin_with_fewer(annotated: Path, tmp_path: Path) -> None:
    first = made(annotated, tmp_path / "first", "--kinds=scratch:2,missing_ball:1")
    assert [(image.kind, image.index) for image in first.images] == [
        ("scratch", 0),
        ("scratch", 1),
        ("missing_ball", 0),
    ]
    more = made(annotated, tmp_path / "more", "--kinds=scratch:3")
    assert [image.sha256 for image in first.images[:2]] == [image.sha256 for image in more.images[:2]]
    other = made(annotated, tmp_path / "other", "--kinds=scratch:2", "--seed=1")
    assert {image.sha256 for image in other.images}.isdisjoint(image.sha256 for image in first.images)
    for image in first.images:
        assert sha256_of_file(tmp_path / "first" / image.file) == image.sha256


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--kinds=dent:2"], "no annotated defect of kind 'dent' in the training images (known: bridged_balls"),
        (["--kinds=scratch"], "--kinds: 'scratch': expected KIND:NUMBER"),
        (["--kinds=scratch:1,scratch:2"], "--kinds: 'scratch' has two numbers, 1 and 2; give one"),
        (["--kinds=scratch:0"], "expected a positive int"),
        (["--per-kind=1", "--size=999"], "no images of 999 px"),
        (["--per-kind=1", "--layout=voc"], "layout: input should be 'masks', 'coco', 'yolo' or 'mvtec', got 'voc'"),
    ],
)
def test_what_cannot_be_made_is_refused(annotated: Path, tmp_path: Path, options: list[str], words: str) -> None:
    refused = defects(annotated, tmp_path / "out", *options)
    assert refused.returncode == 1
    assert words in refused.stderr.splitlines()[-1]
    assert "Traceback" not in refused.stderr
    assert not (tmp_path / "out").exists()


def test_packages_without_annotations_are_refused(packages: Path, tmp_path: Path) -> None:
    refused = subprocess.run(
        [sys.executable, "-m", "fabgan", "defects", f"--packages={packages}", "--size=64", "--per-kind=1", "--out=out"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert "no annotated defect in the training images; see ingest.annotations" in refused.stderr


def test_packages_that_all_have_defects_are_refused(annotated: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(annotated, tmp_path / "copy")
    manifest = read_manifest(copy, PackageManifest)
    bad = [package for package in manifest.images if package.defects]
    write_manifest(copy, PackageManifest(**{**vars(manifest), "images": bad}))
    refused = defects(copy, tmp_path / "out", "--per-kind=1")
    assert refused.returncode == 1
    assert "every training image has a defect" in refused.stderr


def test_a_kind_that_is_no_name_of_a_folder_is_refused_where_folders_are_kinds(annotated: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(annotated, tmp_path / "copy")
    content = read_json(copy / "manifest.json")
    text = (copy / "manifest.json").read_text().replace('"scratch"', '"../scratch"')
    (copy / "manifest.json").write_text(text)
    assert content["kinds"] == KINDS
    refused = defects(copy, tmp_path / "out", "--kinds=../scratch:1", "--layout=mvtec")
    assert refused.returncode == 1
    assert "'../scratch' cannot be the name of a folder" in refused.stderr
    assert made(copy, tmp_path / "out", "--kinds=../scratch:1").images[0].kind == "../scratch"


def test_a_contact_sheet_shows_images_of_each_kind_with_the_borders_of_their_defects(
    annotated: Path, tmp_path: Path
) -> None:
    found = made(annotated, tmp_path / "out", "--kinds=scratch:30,missing_ball:2", "--layout=mvtec")
    page = (tmp_path / "out" / "contact_sheet.html").read_text()
    assert re.findall("<h2>(.*)</h2>", page) == ["scratch: 30", "missing ball: 2"]
    assert "24 of them are shown, evenly spread." in page
    pictures = re.findall('alt="(.*?)" src="data:image/jpeg;base64,(.*?)"', page)
    assert len(pictures) == 24 + 2
    masks = {image.file: image.mask for image in found.images}
    for name, content in pictures:
        pixels, mask = read_image(tmp_path / "out" / name), read_image(tmp_path / "out" / masks[name])
        assert content == thumbnail(pixels, mask=mask) != thumbnail(pixels)


def test_a_killed_run_goes_on_where_it_was_and_other_settings_begin_anew(annotated: Path, tmp_path: Path) -> None:
    whole = made(annotated, tmp_path / "whole", "--per-kind=40")
    arguments = [f"--packages={annotated}", f"--size={SIZE_PX}", "--per-kind=40", f"--out={tmp_path / 'out'}"]
    partial = tmp_path / ".out.partial"
    with subprocess.Popen([sys.executable, "-m", "fabgan", "defects", *arguments]) as running:
        while len(list(partial.glob(".records/*-*.json"))) < 5 and running.poll() is None:
            time.sleep(0.01)
        running.kill()
    assert not (tmp_path / "out").exists()
    first = next(path for path in sorted(partial.rglob("images/*.png")))
    before_ns = first.stat().st_mtime_ns
    assert made(annotated, tmp_path / "out", "--per-kind=40") == whole
    assert (tmp_path / "out" / "images" / first.name).stat().st_mtime_ns == before_ns
    assert not list((tmp_path / "out").glob(".records"))
    for image in whole.images:
        assert sha256_of_file(tmp_path / "out" / image.file) == image.sha256
        assert sha256_of_file(tmp_path / "out" / image.mask) == image.mask_sha256


def test_a_folder_of_another_request_is_left_as_it_is(annotated: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    first = made(annotated, out, "--per-kind=1")
    for options in (["--per-kind=1", "--seed=9"], ["--per-kind=1", "--defects-per-image=2"], ["--per-kind=2"]):
        refused = defects(annotated, out, *options)
        assert (refused.returncode, "out: holds images of another request" in refused.stderr) == (1, True)
    assert read_manifest(out, DefectManifest) == first
    content = read_json(out / "manifest.json")
    write_json(out / "manifest.json", {key: content[key] for key in content if key != "request_sha256"})
    assert "another request (see seed" in defects(annotated, out, "--per-kind=1", "--seed=9").stderr
    assert made(annotated, out, "--per-kind=1") == first


def test_packages_are_no_place_for_images(annotated: Path, tmp_path: Path) -> None:
    packages = shutil.copytree(annotated, tmp_path / "data" / "packages")
    (tmp_path / "link").symlink_to(packages)
    before = {path: path.stat().st_mtime_ns for path in packages.rglob("*")}
    for out in (packages, tmp_path / "link"):
        refused = defects(packages, out, "--per-kind=1")
        assert (refused.returncode, "(packages of crop_resize); nothing was" in refused.stderr) == (1, True)
    for out in (packages / "new", tmp_path / "link" / "new"):
        refused = defects(packages, out, "--per-kind=1")
        assert (refused.returncode, "lie within each other" in refused.stderr) == (1, True)
    assert {path: path.stat().st_mtime_ns for path in packages.rglob("*")} == before
