"""Turning crops by quarters, so that the packages of one product lie alike."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest

from fabgan.components.artifacts.manifest import (
    FrameManifest,
    Package,
    PackageManifest,
    read_manifest,
    write_manifest,
)
from fabgan.components.core.files import sha256_of_file
from fabgan.components.core.images import Pixels, read_image, write_png
from fabgan.components.core.parameters import parse
from fabgan.components.core.resumable import Reuse
from fabgan.components.crop_resize import step as crop_resize
from fabgan.components.crop_resize.duplicates import look_of
from fabgan.components.crop_resize.orient import oriented, package_of
from fabgan.components.crop_resize.outline import box_outline, straighten
from fabgan.components.crop_resize.parameters import CropResizeParameters
from fabgan.components.crop_resize.turns import turns_of
from tests.conftest import section

SIDE_PX = 160
TEXTS = {"a": "X12", "b": "7KQ"}


def crop(product: str, random: np.random.Generator, balls: bool = True) -> Pixels:
    """Return a package that lies upright, some pixels off, with noise: balls on a lattice, and a marking."""
    pixels = np.full((SIDE_PX, SIDE_PX), 60, np.uint8)
    for y in range(20, SIDE_PX, 24) if balls else ():
        for x in range(20, SIDE_PX, 24):
            cv2.circle(pixels, (x, y), 7, 200, -1, cv2.LINE_AA)
    if product:
        cv2.putText(pixels, TEXTS[product], (25, 70), cv2.FONT_HERSHEY_SIMPLEX, 1.2, 255, 3, cv2.LINE_AA)
    shifted = np.roll(pixels, random.integers(-1, 2, 2), axis=(0, 1))
    return np.clip(shifted + random.normal(0, 6, shifted.shape), 0, 255).astype(np.uint8)


def turned_looks(products: list[str], steps: int) -> tuple[list[str], np.ndarray[tuple[int], np.dtype[np.int64]]]:
    """Return looks of packages turned by random multiples of `steps` quarters, and these turns."""
    random = np.random.default_rng(4)
    quarters = random.integers(0, 4 // steps, len(products)) * steps
    crops = [crop(product, random) for product in products]
    return [turned_look(one, turn) for one, turn in zip(crops, quarters, strict=True)], quarters


def turned_look(one: Pixels, quarters: int) -> str:
    """Return the look of a crop that was turned clockwise."""
    return look_of(np.ascontiguousarray(np.rot90(one, -quarters)))


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("steps", [1, 2])
def test_packages_of_each_product_lie_alike(known: bool, steps: int) -> None:
    products = ["a", "b"] * 12
    looks, true = turned_looks(products, steps)
    turns = turns_of(looks, products if known else [""] * 24, [steps == 1] * 24)
    for product in TEXTS:
        lie = {(turn.quarters + at) % 4 for turn, at, of in zip(turns, true, products, strict=True) if of == product}
        assert len(lie) == 1
    assert not any(turn.is_doubtful for turn in turns)
    assert all(turn.quarters % steps == 0 for turn in turns)


@pytest.mark.parametrize("oblong", [1, 8, 15])
def test_each_crop_turns_by_its_own_shape(oblong: int) -> None:
    """Packages of nearly equal sides are measured as oblong here and as square there."""
    random = np.random.default_rng(8)
    is_oblong = random.permutation(16) < oblong
    true = np.where(is_oblong, 2 * random.integers(0, 2, 16), random.integers(0, 4, 16))
    looks = [turned_look(crop("a", random), turn) for turn in true]
    turns = turns_of(looks, ["a"] * 16, [not one for one in is_oblong])
    assert len({(turn.quarters + at) % 4 for turn, at in zip(turns, true, strict=True)}) == 1
    assert not any(turn.is_doubtful for turn in turns)
    assert all(turn.quarters % 2 == 0 for turn, one in zip(turns, is_oblong, strict=True) if one)


def test_a_crop_of_something_oblong_changes_nothing_for_the_others() -> None:
    looks, _ = turned_looks(["a"] * 15, 1)
    expected = turns_of(looks, ["a"] * 15, [True] * 15)
    noise = np.random.default_rng(9).normal(128, 60, (SIDE_PX, SIDE_PX)).clip(0, 255).astype(np.uint8)
    turns = turns_of([*looks, look_of(noise)], ["a"] * 16, [True] * 15 + [False])
    assert [turn.quarters for turn in turns[:15]] == [turn.quarters for turn in expected]
    assert turns[15].is_doubtful
    assert not any(turn.is_doubtful for turn in turns[:15])


@pytest.mark.parametrize("place", [0, 5])
def test_an_empty_crop_is_doubtful_and_changes_nothing_for_the_others(place: int) -> None:
    looks, _ = turned_looks(["a"] * 12, 1)
    expected = turns_of(looks, ["a"] * 12, [True] * 12)
    looks.insert(place, look_of(np.full((SIDE_PX, SIDE_PX), 90, np.uint8)))
    turns = turns_of(looks, ["a"] * 13, [True] * 13)
    empty = turns.pop(place)
    assert (empty.quarters, empty.margin, empty.is_doubtful) == (0, 0.0, True)
    assert [turn.quarters for turn in turns] == [turn.quarters for turn in expected]
    assert not any(turn.is_doubtful for turn in turns)


def test_most_packages_stay_as_they_are() -> None:
    random = np.random.default_rng(5)
    looks = [turned_look(crop("a", random), number == 3) for number in range(8)]
    assert [turn.quarters for turn in turns_of(looks, ["a"] * 8, [True] * 8)] == [0, 0, 0, 3, 0, 0, 0, 0]


def test_symmetric_packages_are_doubtful_and_stay() -> None:
    looks, _ = turned_looks([""] * 12, 1)
    turns = turns_of(looks, ["p"] * 12, [True] * 12)
    assert all(turn.is_doubtful and turn.quarters == 0 for turn in turns)


def test_packages_that_look_alike_upside_down_are_doubtful() -> None:
    random = np.random.default_rng(6)
    looks = []
    for number in range(12):
        one = crop("", random)
        one[70:90, 20:140] = 255
        looks.append(look_of(np.ascontiguousarray(np.rot90(one, number % 4))))
    assert all(turn.is_doubtful for turn in turns_of(looks, ["p"] * 12, [True] * 12))


def test_single_package_is_doubtful() -> None:
    looks, _ = turned_looks(["a"], 1)
    assert turns_of(looks, ["a"], [True])[0].is_doubtful


def test_a_shadow_turns_no_symmetric_package(packages: Path, tmp_path: Path) -> None:
    frames = shutil.copytree(packages.parent / "frames", tmp_path / "frames")
    manifest, random = read_manifest(frames, FrameManifest), np.random.default_rng(10)
    for number, frame in enumerate(manifest.images):
        write_png(frames / frame.file, in_its_shadow(crop("", random), number % 4, random))
        object.__setattr__(frame, "sha256", sha256_of_file(frames / frame.file))
        object.__setattr__(frame, "product", "p")
    write_manifest(frames, manifest)
    params = parse(CropResizeParameters, section("crop_resize", orient=True), "params.yaml", "crop_resize")
    crop_resize.run(params, frames, tmp_path / "packages")
    images = read_manifest(tmp_path / "packages", PackageManifest).images
    assert len(images) == len(manifest.images)
    assert all(image.turn_is_doubtful for image in images)


@pytest.mark.parametrize("find", ["whole", "box"])
def test_oblong_packages_that_nobody_straightened_turn_by_any_quarter(
    packages: Path, tmp_path: Path, find: str
) -> None:
    frames = shutil.copytree(packages.parent / "frames", tmp_path / "frames")
    manifest, random = read_manifest(frames, FrameManifest), np.random.default_rng(11)
    for number, frame in enumerate(manifest.images):
        image = np.ascontiguousarray(np.rot90(crop("a", random)[: SIDE_PX // 2], -(number % 4)))
        write_png(frames / frame.file, image)
        object.__setattr__(frame, "sha256", sha256_of_file(frames / frame.file))
        object.__setattr__(frame, "product", "p")
        object.__setattr__(frame, "boxes_px", [(0, 0, image.shape[1], image.shape[0])])
    write_manifest(frames, manifest)
    params = parse(CropResizeParameters, section("crop_resize", orient=True, find=find), "params.yaml", "crop_resize")
    crop_resize.run(params, frames, tmp_path / "packages")
    images = read_manifest(tmp_path / "packages", PackageManifest).images
    assert len({(image.quarters + number) % 4 for number, image in enumerate(images)}) == 1
    assert not any(image.turn_is_doubtful for image in images)


def in_its_shadow(package: Pixels, quarters: int, random: np.random.Generator) -> Pixels:
    """Return a photograph of a package that was turned clockwise; its shadow lies below it."""
    ground = np.full((270, 360), 150, np.float32)
    top, left = random.integers(40, 70), random.integers(60, 140)
    ground[top + 10 : top + SIDE_PX + 6, left + 2 : left + SIDE_PX + 2] = 95
    photograph = np.asarray(cv2.GaussianBlur(ground, (0, 0), 3))
    photograph[top : top + SIDE_PX, left : left + SIDE_PX] = np.rot90(package, -quarters)
    return np.clip(photograph + random.normal(0, 2, photograph.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(("width_px", "height_px"), [(60, 60), (61, 60), (60, 30), (30, 60)])
def test_the_package_is_cut_out_of_its_crop(width_px: int, height_px: int) -> None:
    image = np.full((120, 120), 10, np.uint8)
    image[20 : 20 + height_px, 40 : 40 + width_px] = 200
    outline = box_outline((40, 20, 40 + width_px, 20 + height_px))
    package = package_of(straighten(image, outline, 0.1), outline)
    np.testing.assert_allclose(package.shape, sorted((width_px, height_px)), atol=1)
    assert (package > 150).all()


def test_step_turns_images_and_says_how_far(packages: Path, tmp_path: Path) -> None:
    frames = shutil.copytree(packages.parent / "frames", tmp_path / "frames")
    made: dict[str, Pixels] = {}
    for orient in (False, True, False):
        params = parse(CropResizeParameters, section("crop_resize", orient=orient), "params.yaml", "crop_resize")
        metrics = crop_resize.run(params, frames, tmp_path / "packages")
        images = {image.name: image for image in read_manifest(tmp_path / "packages", PackageManifest).images}
        assert ("turned_images" in metrics) == orient
        for image in images.values():
            assert image.sha256 == {
                size: sha256_of_file(tmp_path / "packages" / at) for size, at in image.files.items()
            }
        pixels = {name: read_image(tmp_path / "packages" / image.files["64"]) for name, image in images.items()}
        if orient:
            for name, image in images.items():
                np.testing.assert_array_equal(pixels[name], np.rot90(made[name], -image.quarters))
        assert any(image.turn_margin for image in images.values()) == orient
        made = made or dict(pixels)


@pytest.mark.parametrize("quarters", [0, 1, 2, 3])
def test_masks_and_boxes_turn_with_their_image(quarters: int, tmp_path: Path) -> None:
    """The box of a defect encloses it in the turned mask."""
    first = first_oriented(tmp_path, quarters, tmp_path)
    assert first.quarters == -quarters % 4
    mask = read_image(tmp_path / first.masks["160"])
    assert (mask[20:40, 100:150] == 1).all()
    assert first.defects[0].box_px == (100, 20, 150, 40)


def test_files_that_were_turned_before_are_taken_over(tmp_path: Path) -> None:
    finished, again = tmp_path / "packages", tmp_path / "again"
    files = [folder / first_oriented(folder, 1, finished).files["160"] for folder in (finished, again)]
    assert files[0].samefile(files[1])
    assert not (again / first_oriented(again, 2, finished).files["160"]).samefile(files[0])


def first_oriented(folder: Path, quarters: int, finished: Path) -> Package:
    """Return the first of six annotated packages, which is turned by some quarters, as it is when all lie alike."""
    random, found = np.random.default_rng(7), []
    for number in range(6):
        upright = crop("a", random)
        mask = np.zeros_like(upright)
        mask[20:40, 100:150] = 1
        turn = quarters if number == 0 else 0
        for name, pixels in (("image", upright), ("mask", mask)):
            write_png(folder / f"{name}/{number}.png", np.ascontiguousarray(np.rot90(pixels, -turn)))
        found.append(_package(number, np.rot90(mask, -turn)))
    looks = [look_of(read_image(folder / package.files["160"])) for package in found]
    reuse = Reuse(finished, lambda record: dict(zip(record["files"].values(), record["sha256"].values(), strict=True)))
    return oriented(found, looks, folder, reuse, lengthwise=True)[0]


def _package(number: int, mask: Pixels) -> Package:
    y, x = np.nonzero(mask)
    box = [int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1]
    content = {
        "name": str(number),
        "source": str(number),
        "source_sha256": "",
        "label": None,
        "lot": "l",
        "product": "p",
        "split": "train",
        "outline_px": [[0, 0], [160, 0], [160, 160], [0, 160]],
        "angle_deg": 0.0,
        "crop_px": 160.0,
        "files": {"160": f"image/{number}.png"},
        "scales": {"160": 1.0},
        "sha256": {"160": ""},
        "masks": {"160": f"mask/{number}.png"},
        "masks_sha256": {"160": ""},
        "defects": [{"kind": "scratch", "box_px": box, "area_px": 1000}],
    }
    return parse(Package, content, "test")
