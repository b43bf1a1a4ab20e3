"""Photographs of 10 to 16 bits look as they were taken, whatever they are stored in."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from fabgan.components.artifacts.manifest import FrameManifest
from fabgan.components.core.errors import UserError
from fabgan.components.core.images import read_image
from tests.unit.test_ingest import ingested, parameters

LOTS = 3


def values(bits: int, colour: bool = False) -> np.ndarray:
    """Return a ramp from black to nearly white, as a camera of so many bits writes it."""
    ramp = np.linspace(0, 0.95 * (2**bits - 1), 32 * 24).round().astype(np.uint16).reshape(24, 32)
    return np.repeat(ramp[:, :, None], 3, axis=2) if colour else ramp


def expected(colour: bool = False) -> np.ndarray:
    ramp = np.linspace(0, 0.95 * 255, 32 * 24).reshape(24, 32)
    return np.repeat(ramp[:, :, None], 3, axis=2) if colour else ramp


def source_of(folder: Path, pictures: list[np.ndarray], suffix: str) -> Path:
    """Write pictures into lots of a folder. No two of them are alike."""
    for index in range(2 * LOTS):
        path = folder / "photographs" / f"lot-{index % LOTS}" / f"{index}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels = pictures[index % len(pictures)].copy()
        pixels[0, :3] = pixels[0, index]
        if pixels.ndim == 3:
            cv2.imwrite(str(path), pixels)
        else:
            Image.fromarray(pixels).save(path)
    return folder / "photographs"


def errors(manifest: FrameManifest, folder: Path, colour: bool = False) -> list[float]:
    """Return the largest error of each frame's pixels, beside what was changed to make it unlike the others."""
    return [
        float(np.abs(read_image(folder / frame.file, None, frame.white_level) - expected(colour))[1:].max())
        for frame in manifest.images
    ]


def test_a_tiff_in_which_0_is_white_looks_as_it_was_taken(tmp_path: Path) -> None:
    source = source_of(tmp_path, [65_535 - values(16)], ".tif")
    black_is_zero, white_is_zero = (struct.pack("<HHIHH", 262, 3, 1, meaning, 0) for meaning in (1, 0))
    for path in source.rglob("*.tif"):
        assert path.read_bytes().count(black_is_zero) == 1
        path.write_bytes(path.read_bytes().replace(black_is_zero, white_is_zero))
    manifest, folder, _ = ingested(source)
    assert {frame.white_level for frame in manifest.images} == {65_535}
    assert max(errors(manifest, folder)) <= 0.7


@pytest.mark.parametrize("bits", [10, 12, 14, 16])
@pytest.mark.parametrize(("suffix", "colour"), [(".tif", False), (".png", False), (".png", True), (".tif", True)])
def test_the_largest_value_of_all_photographs_says_how_many_bits_are_in_use(
    tmp_path: Path, bits: int, suffix: str, colour: bool
) -> None:
    manifest, folder, _ = ingested(source_of(tmp_path, [values(bits, colour)], suffix))
    assert len(manifest.images) == 2 * LOTS
    assert {frame.white_level for frame in manifest.images} == {2**bits - 1}
    assert max(errors(manifest, folder, colour)) <= 0.7


def test_a_dark_photograph_is_as_dark_as_the_others_of_its_set(tmp_path: Path) -> None:
    dark = (values(12) // 8).astype(np.uint16)
    manifest, _, _ = ingested(source_of(tmp_path, [values(12), dark], ".tif"))
    assert {frame.white_level for frame in manifest.images} == {4095}


def test_the_bits_that_are_asked_for_count(tmp_path: Path) -> None:
    source = source_of(tmp_path, [values(10)], ".tif")
    manifest, _, _ = ingested(source, bits=12)
    assert {frame.white_level for frame in manifest.images} == {4095}
    with pytest.raises(UserError, match=r"its largest value is 3\d\d\d, above white, which is 1023; see ingest.bits"):
        ingested(source_of(tmp_path / "brighter", [values(12)], ".tif"), bits=10, max_quarantined_share=0.0)


def test_a_tiff_that_names_its_largest_value_is_believed(tmp_path: Path) -> None:
    source = source_of(tmp_path, [values(10)], ".tif")
    for path in source.rglob("*.tif"):
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[281] = 4095
        with Image.open(path) as image:
            image.load()
            image.save(path, tiffinfo=tags)
    manifest, _, _ = ingested(source)
    assert {frame.white_level for frame in manifest.images} == {4095}


@pytest.mark.parametrize(("scale", "white"), [(1 / 65535, 1.0), (1.0, 65535.0), (1 / 257, 255.0)])
def test_fractions_are_brightness(tmp_path: Path, scale: float, white: float) -> None:
    manifest, folder, _ = ingested(source_of(tmp_path, [(values(16) * scale).astype(np.float32)], ".tif"))
    assert {frame.white_level for frame in manifest.images} == {white}
    assert max(errors(manifest, folder)) <= 0.7


def test_whole_numbers_of_32_bits_are_brightness(tmp_path: Path) -> None:
    manifest, folder, _ = ingested(source_of(tmp_path, [values(12).astype(np.int32)], ".tif"))
    assert {frame.white_level for frame in manifest.images} == {4095}
    assert max(errors(manifest, folder)) <= 0.7


@pytest.mark.parametrize(
    "pixels",
    [
        values(16).astype(np.int32) * 2,
        values(12).astype(np.int32) - 100,
        np.full((24, 32), np.nan, dtype=np.float32),
        values(8).astype(np.float32) - 1,
    ],
)
def test_values_that_are_no_brightness_are_quarantined(tmp_path: Path, pixels: np.ndarray) -> None:
    source = source_of(tmp_path, [values(12)], ".tif")
    Image.fromarray(pixels).save(source / "lot-0" / "odd.tif")
    manifest, _, _ = ingested(source)
    ((name, reason),) = ((item.source, item.reason) for item in manifest.quarantined)
    assert name == "lot-0/odd.tif"
    assert reason.startswith("its values are ")
    assert reason.endswith("expected 0 to 65535")


@pytest.mark.parametrize("bits", [7, 17])
def test_impossible_bits_are_refused(tmp_path: Path, bits: int) -> None:
    with pytest.raises(UserError, match=f"bits: expected 0, or 8 to 16, got {bits}"):
        parameters(tmp_path, bits=bits)
