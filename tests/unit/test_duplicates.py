"""Near-duplicates are found across lots, said, listed, and joined to one lot where that is asked for."""

import time
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from benchmarks import duplicates as benchmark
from fabgan.components.artifacts.manifest import FrameManifest, PackageManifest, Split, read_manifest, write_manifest
from fabgan.components.core.parameters import parse
from fabgan.components.crop_resize import duplicates
from fabgan.components.crop_resize import step as crop_resize
from fabgan.components.crop_resize.duplicates import connected, joined, look_of, near_duplicates, similarities
from fabgan.components.crop_resize.parameters import CropResizeParameters
from tests.conftest import section


@pytest.fixture(scope="module")
def crops() -> list[np.ndarray]:
    random = np.random.default_rng(1)
    coarse = [random.integers(0, 256, (40, 40, 3), dtype=np.uint8) for _ in range(4)]
    return [cv2.resize(image, (200, 200), interpolation=cv2.INTER_CUBIC) for image in coarse]


@pytest.mark.parametrize("turns", range(4))
def test_light_size_and_quarter_turns_do_not_matter(crops: list[np.ndarray], turns: int) -> None:
    again = np.ascontiguousarray(np.rot90(cv2.resize(crops[0], (170, 170), interpolation=cv2.INTER_AREA), turns))
    darker = (again * 0.7 + 10).astype(np.uint8)
    alike = similarities([look_of(darker)], [look_of(crop) for crop in crops])[0]
    assert alike[0] > 0.98
    assert max(alike[1:]) < 0.3


def test_a_blank_crop_is_like_nothing() -> None:
    blank = look_of(np.full((100, 100), 128, np.uint8))
    assert similarities([blank], [blank])[0, 0] == 0


def test_groups_reach_over_lots_only(crops: list[np.ndarray]) -> None:
    looks = [look_of(crops[number]) for number in (0, 1, 0, 2, 1, 1, 3)]
    assert near_duplicates(looks, ["a", "a", "b", "b", "a", "c", "c"]) == [[0, 2], [1, 4, 5]]
    assert near_duplicates(looks, ["a"] * 7) == []
    assert near_duplicates([], []) == []


@pytest.mark.parametrize("block", [1, 2, 4, 512])
def test_groups_are_the_same_in_blocks_of_any_size(
    crops: list[np.ndarray], block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duplicates, "BLOCK", block)
    looks = [look_of(crops[number]) for number in (3, 0, 1, 2, 1, 0, 2, 0, 1)]
    assert connected(looks, 0.98) == [[0], [1, 5, 7], [2, 4, 8], [3, 6]]
    assert near_duplicates(looks, [*"abcdefdbc"]) == [[1, 5, 7], [2, 4, 8]]


def test_two_thousand_crops_that_are_all_alike_are_grouped_in_seconds(crops: list[np.ndarray]) -> None:
    looks, started_s = [look_of(crops[0])] * 2000, time.process_time()
    assert near_duplicates(looks, [str(number) for number in range(2000)]) == [[*range(2000)]]
    assert time.process_time() - started_s < 30


def test_joined_lots_go_where_most_of_their_images_were(packages: Path) -> None:
    images = read_manifest(packages, PackageManifest).images[:6]
    splits: dict[str, Split] = {"a": "train", "b": "held_out", "c": "held_out", "d": "train"}
    given = [replace(image, lot=lot, split=splits[lot]) for image, lot in zip(images, "abbcdd", strict=True)]
    found = joined(given, [[0, 1], [2, 3]])
    assert [image.lot for image in found] == [*"aaaadd"]
    assert [image.split for image in found] == ["held_out"] * 4 + ["train"] * 2


def test_near_duplicates_are_said_listed_and_joined(
    packages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    frames = packages.parent / "frames"
    manifest = read_manifest(frames, FrameManifest)
    copied, original = next(
        (one, two)
        for one in manifest.images
        for two in manifest.images
        if (one.split, two.split) == ("held_out", "train")
    )
    (tmp_path / "frames").symlink_to(frames)
    (tmp_path / "frames.again").mkdir()
    (tmp_path / "frames.again" / "frames").symlink_to(frames / "frames")
    doubled = replace(copied, file=original.file, sha256=original.sha256)
    images = [doubled if frame == copied else frame for frame in manifest.images]
    write_manifest(tmp_path / "frames.again", replace(manifest, images=images))

    def run(name: str, **changes: object) -> PackageManifest:
        params = parse(CropResizeParameters, section("crop_resize", **changes), "tests")
        crop_resize.run(params, tmp_path / "frames.again", tmp_path / name)
        return read_manifest(tmp_path / name, PackageManifest)

    apart = run("apart")
    said = capsys.readouterr().err
    assert "1 groups of near-duplicates lie in more than one lot, and 1 of them in both training and held-out" in said
    assert sorted(apart.near_duplicates[0]) == sorted([original.name, copied.name])
    together = {image.name: image for image in run("joined", join_near_duplicates=True).images}
    assert "their lots were joined" in capsys.readouterr().err
    one, other = together[original.name], together[copied.name]
    assert (one.lot, one.split) == (other.lot, other.split)
    assert {image.lot for image in together.values()} < {image.lot for image in apart.images}


def test_rendered_packages_of_one_product_are_no_near_duplicates() -> None:
    alike, same, other = benchmark.of_frames(12)
    found = benchmark.rates(alike, same, other)
    assert (found["found"], found["false"]) == (1, 0)
    assert found["closest"] < 0.96
