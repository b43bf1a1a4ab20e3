"""Photographs of 10 to 16 bits look as they were taken, whatever they are stored in."""

import io
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
    for path in source.rglob("*.tif"):
        path.write_bytes(negative(np.asarray(Image.open(path))))
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


def tagged(path: Path, largest: int) -> None:
    """Let a TIFF name its largest value."""
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[281] = largest
    with Image.open(path) as image:
        image.load()
        image.save(path, tiffinfo=tags)


def test_a_tiff_that_names_its_largest_value_is_believed(tmp_path: Path) -> None:
    source = source_of(tmp_path, [values(10)], ".tif")
    for path in source.rglob("*.tif"):
        tagged(path, 4095)
    manifest, _, _ = ingested(source)
    assert {frame.white_level for frame in manifest.images} == {4095}


def test_a_tiff_that_is_wrong_about_its_largest_value_is_as_the_others(tmp_path: Path) -> None:
    source = source_of(tmp_path, [values(12)], ".tif")
    for path in (source / "lot-0").iterdir():
        tagged(path, 255)
    manifest, _, _ = ingested(source)
    assert len(manifest.images) == 2 * LOTS
    assert {frame.white_level for frame in manifest.images} == {4095}


def test_the_order_of_bytes_does_not_matter(tmp_path: Path) -> None:
    source = source_of(tmp_path, [values(12), values(12) // 8], ".tif")
    for path in list(source.rglob("*.tif"))[::2]:
        pixels = np.asarray(Image.open(path))
        Image.frombytes("I;16B", (32, 24), pixels.astype(">u2").tobytes()).save(path)
    manifest, _, _ = ingested(source)
    assert {frame.white_level for frame in manifest.images} == {4095}


def test_what_decides_about_white_is_said_and_darker_photographs_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    source = source_of(tmp_path, [values(12)], ".tif")
    hot = np.asarray(Image.open(source / "lot-1" / "1.tif")).copy()
    hot[5, 5] = 65_535
    Image.fromarray(hot).save(source / "lot-1" / "1.tif")
    with caplog.at_level("INFO"):
        ingested(source)
    said = [record.getMessage() for record in caplog.records if "white" in record.getMessage()]
    assert said == ["6 photograph(s) of more than 8 bits: white is 65535, by the largest value, 65535, of lot-1/1.tif"]
    assert "5 of them stay below a quarter of it; if they have fewer bits, set ingest.bits" in caplog.text


@pytest.mark.parametrize(("white", "colour"), [(4095, True), (65_535, True), (4095, False), (65_535, False)])
def test_a_ppm_is_as_bright_as_its_header_says(tmp_path: Path, white: int, colour: bool) -> None:
    """If it says 65535, it does not know."""
    pictures, folder = values(12, colour) // (1 if white > 4095 else 4), tmp_path / "photographs"
    for index in range(2 * LOTS):
        path = folder / f"lot-{index % LOTS}" / f"{index}.ppm"
        path.parent.mkdir(parents=True, exist_ok=True)
        pictures[0, :3] = pictures[0, 3 + index]
        path.write_bytes(f"P{6 if colour else 5}\n32 24\n{white}\n".encode() + pictures.astype(">u2").tobytes())
    manifest, frames, _ = ingested(folder)
    shown = [read_image(frames / frame.file, None, frame.white_level)[1:].astype(float) for frame in manifest.images]
    wanted = expected(colour)[1:] / (1 if white > 4095 else 4)
    assert len(shown) == 2 * LOTS
    assert max(float(np.abs(pixels - wanted).max()) for pixels in shown) <= 0.9


def negative(pixels: np.ndarray) -> bytes:
    """Return a TIFF in which 0 means white."""
    stored = io.BytesIO()
    Image.fromarray(pixels).save(stored, "TIFF")
    return negative_of(stored.getvalue())


def negative_of(content: bytes) -> bytes:
    black_is_zero, white_is_zero = (struct.pack("<HHIHH", 262, 3, 1, meaning, 0) for meaning in (1, 0))
    assert content.count(black_is_zero) == 1
    return content.replace(black_is_zero, white_is_zero)


SATURATED = values(14)
SATURATED[5, 5] = 2**14 - 1


@pytest.mark.parametrize("pixels", [values(12), SATURATED, values(16).astype(np.float32)])
def test_a_tiff_in_which_0_is_white_and_white_is_not_known_is_quarantined(tmp_path: Path, pixels: np.ndarray) -> None:
    source = source_of(tmp_path, [values(12)], ".tif")
    (source / "lot-0" / "odd.tif").write_bytes(negative(pixels))
    manifest, _, _ = ingested(source)
    ((name, reason),) = ((item.source, item.reason) for item in manifest.quarantined)
    assert name == "lot-0/odd.tif"
    assert reason.startswith("0 means white in it")


def test_a_tiff_in_which_0_is_white_may_name_its_largest_value(tmp_path: Path) -> None:
    dark = (4095 - values(12)) // 5
    source = source_of(tmp_path, [dark], ".tif")
    for path in source.rglob("*.tif"):
        tagged(path, 4095)
        path.write_bytes(negative_of(path.read_bytes()))
    manifest, folder, _ = ingested(source)
    assert {frame.white_level for frame in manifest.images} == {4095}
    for frame in manifest.images:
        pixels = read_image(folder / frame.file, None, frame.white_level)[1:]
        assert np.abs(pixels - (1 - dark[1:] / 4095) * 255).max() <= 0.7


def test_deep_colour_in_planes_is_quarantined(tmp_path: Path) -> None:
    source = source_of(tmp_path, [values(16, colour=True)], ".tif")
    path = source / "lot-0" / "0.tif"
    interleaved, planes = (struct.pack("<HHIHH", 284, 3, 1, planes, 0) for planes in (1, 2))
    assert path.read_bytes().count(interleaved) == 1
    path.write_bytes(path.read_bytes().replace(interleaved, planes))
    manifest, _, _ = ingested(source)
    ((name, reason),) = ((item.source, item.reason) for item in manifest.quarantined)
    assert name == "lot-0/0.tif"
    assert reason == "16 bits a channel, in a plane for each channel; save it with interleaved channels"


@pytest.mark.parametrize(("scale", "white"), [(1 / 65535, 1.0), (1.0, 65535.0), (1 / 257, 255.0)])
def test_fractions_are_brightness(tmp_path: Path, scale: float, white: float) -> None:
    manifest, folder, _ = ingested(source_of(tmp_path, [(values(16) * scale).astype(np.float32)], ".tif"))
    assert {frame.white_level for frame in manifest.images} == {white}
    assert max(errors(manifest, folder)) <= 0.7


@pytest.mark.parametrize("bits", [0, 12])
def test_fractions_that_exceed_1_a_little_are_white_there(
    tmp_path: Path, bits: int, caplog: pytest.LogCaptureFixture
) -> None:
    source = source_of(tmp_path, [(values(16) / 65_535).astype(np.float32)], ".tif")
    bright = np.asarray(Image.open(source / "lot-1" / "1.tif")).copy()
    bright[0, 9] = 1.0004
    Image.fromarray(bright).save(source / "lot-1" / "1.tif")
    manifest, folder, _ = ingested(source, bits=bits)
    assert [round(frame.white_level, 6) for frame in manifest.images] == [1.0004] * 2 * LOTS
    assert max(errors(manifest, folder)) <= 0.7
    assert "ingest.bits" not in caplog.text


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
