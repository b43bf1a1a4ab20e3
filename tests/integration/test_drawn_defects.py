"""Made defects whose places or shapes people draw."""

import copy
from pathlib import Path

import cv2
import numpy as np
import pytest

from fabgan.components.artifacts.manifest import PackageManifest, read_manifest
from fabgan.components.core.errors import UserError
from fabgan.components.core.images import Pixels, read_image, write_png
from fabgan.components.defects.card import paints_of
from fabgan.components.defects.cutouts import neighbourhood
from fabgan.components.defects.dataset import DefectDataset
from fabgan.components.defects.drawn import shaped
from fabgan.components.defects.pasting import pasted
from fabgan.components.defects.pool import read_pool
from fabgan.model.defects.networks import DefectConfig, DefectGenerator
from tests.annotated import SIZE_PX, annotated_packages
from tests.integration.test_defects import KINDS, made

pytestmark = pytest.mark.integration


@pytest.fixture(scope="module")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of rendered packages with masks. Not to be changed."""
    return annotated_packages(tmp_path_factory.mktemp("annotated"), defect_share=0.7)


def test_defects_lie_where_a_drawn_picture_is_white(annotated: Path, tmp_path: Path) -> None:
    drawn = np.zeros((64, 64), np.uint8)
    drawn[34:60, 4:30] = 255
    write_png(tmp_path / "where.png", drawn)
    ask = ["--kinds=missing_ball:6", "--defects-per-image=1"]
    found = made(annotated, tmp_path / "out", *ask, f"--where={tmp_path / 'where.png'}")
    for image in found.images:
        (left, top, right, bottom), shrinking = image.boxes_px[0], 64 / SIZE_PX
        assert 32 <= (top + bottom) / 2 * shrinking <= 62
        assert 2 <= (left + right) / 2 * shrinking <= 32
    dataset = DefectDataset(annotated, SIZE_PX, 1, kinds=["missing_ball"], where=tmp_path / "where.png")
    assert not dataset[0].mask_HW[: SIZE_PX // 2 - 8].any()
    write_png(tmp_path / "where.png", 255 - drawn)
    elsewhere = made(annotated, tmp_path / "elsewhere", *ask, f"--where={tmp_path / 'where.png'}")
    assert {image.sha256 for image in elsewhere.images}.isdisjoint(image.sha256 for image in found.images)


def test_defects_have_the_shapes_that_were_drawn(annotated: Path, tmp_path: Path) -> None:
    (drawn := tmp_path / "drawn").mkdir()
    first, second = np.zeros((SIZE_PX, SIZE_PX), np.uint8), np.zeros((SIZE_PX, SIZE_PX), np.uint8)
    first[20:24, 30:90] = 255
    cv2.circle(first, (60, 80), 9, 255, -1)
    cv2.line(second, (2, 100), (60, 126), 255, 3)
    for name, picture in (("a.png", first), ("b.png", second)):
        write_png(drawn / name, picture)
    packages = {package.name: package for package in read_manifest(annotated, PackageManifest).images}
    found = made(annotated, tmp_path / "out", "--kinds=scratch:4,contamination:4", f"--shapes={drawn}")
    masks = [read_image(tmp_path / "out" / image.mask) > 0 for image in found.images]
    assert {mask.tobytes() for mask in masks} == {(first > 0).tobytes(), (second > 0).tobytes()}
    for image, mask in zip(found.images, masks, strict=True):
        assert len(image.defects_from) == len(image.boxes_px) == (2 if mask[20, 30] else 1)
        pixels = read_image(tmp_path / "out" / image.file).astype(int)
        change = np.abs(pixels - read_image(annotated / packages[image.background].files[str(SIZE_PX)])).max(axis=2)
        assert not change[~neighbourhood(mask)].any()
        assert change[mask].mean() > 8
    item = DefectDataset(annotated, SIZE_PX, 1, kinds=["scratch"], shapes=drawn / "b.png")[0]
    assert np.array_equal(item.mask_HW.numpy() > 0, second > 0)


def test_drawings_in_which_no_defect_can_be_seen_are_refused(annotated: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / ".DS_Store").touch()
    dot = np.pad(np.full((1, 1), 255, np.uint8), (0, SIZE_PX - 1))
    write_png(tmp_path / "dot.png", dot)
    write_png(tmp_path / "inverted.png", 255 - dot)
    (tmp_path / "text.png").write_text("a circle")
    refused = {
        "text.png": "cannot be read",
        "empty": "no picture in this folder; draw square pictures",
        "nowhere.png": "no such file; draw a square picture",
        "dot.png": f"no white part has 4 pixels in images of {SIZE_PX} px",
        "inverted.png": "100% of it is white; draw defects white, and all else black",
    }
    for name, message in refused.items():
        with pytest.raises(UserError, match=message):
            read_pool(annotated, SIZE_PX, shapes=tmp_path / name)
    with pytest.raises(UserError, match="empty: is a folder; name one picture"):
        read_pool(annotated, SIZE_PX, where=tmp_path / "empty")
    with pytest.raises(UserError, match="give either where defects may lie, or their places and shapes"):
        read_pool(annotated, SIZE_PX, where=tmp_path / "dot.png", shapes=tmp_path / "dot.png")


def test_thin_lines_of_large_drawings_stay_and_crumbs_are_warned_of(
    annotated: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    drawing = np.zeros((8 * SIZE_PX, 8 * SIZE_PX), np.uint8)
    drawing[101, 40:900] = 255
    drawing[700, 700] = 255
    write_png(tmp_path / "drawing.png", drawing)
    ((line,),) = read_pool(annotated, SIZE_PX, shapes=tmp_path / "drawing.png").shapes
    assert line.box_px == (5, 12, 113, 13)
    assert "1 white part(s) of fewer than 4 pixels are left out" in caplog.text


def test_a_drawn_line_is_surrounded_as_narrowly_as_an_annotated_one(annotated: Path, tmp_path: Path) -> None:
    """A ring as wide as the line is long would reach beyond the package."""
    drawing = np.zeros((SIZE_PX, SIZE_PX), np.uint8)
    drawing[62:65, 20:108] = 255
    write_png(tmp_path / "line.png", drawing)
    pool = read_pool(annotated, SIZE_PX, shapes=tmp_path / "line.png")
    cutout, _ = shaped(pool.cutouts["scratch"][0], pool.shapes[0][0], SIZE_PX, np.random.default_rng(1))
    assert cutout.covers_HW.shape[0] < 2 * (SIZE_PX // 8 + 4)


def test_each_drawn_part_is_made_in_either_way(annotated: Path, tmp_path: Path) -> None:
    drawing = np.zeros((SIZE_PX, SIZE_PX), np.uint8)
    drawing[62:66, 20:60] = 255
    write_png(tmp_path / "line.png", drawing)
    pool, drawn = read_pool(annotated, SIZE_PX, shapes=tmp_path / "line.png"), list[bool]()
    config = DefectConfig(channels=3, kinds=len(KINDS))
    either, random = paints_of(DefectGenerator(config), KINDS)["both"], np.random.default_rng(1)
    for _ in range(12):
        made, as_pasted = (
            pool.make("scratch", 1, copy.deepcopy(random), paint).pixels_HWC for paint in (either, pasted)
        )
        drawn.append(np.array_equal(made, as_pasted))
        random.integers(9)
    assert {False, True} == set(drawn)


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((64, 64), np.uint8), "its brightest pixel has 0 of 255; draw white where defects lie"),
        (np.full((64, 80), 255, np.uint8), "expected a square, as packages are cut, got 80 x 64 px"),
        (None, "no such file"),
    ],
)
def test_a_picture_of_places_that_cannot_be_used_is_refused(
    annotated: Path, tmp_path: Path, picture: Pixels | None, message: str
) -> None:
    if picture is not None:
        write_png(tmp_path / "where.png", picture)
    with pytest.raises(UserError, match=message):
        read_pool(annotated, SIZE_PX, tmp_path / "where.png")
