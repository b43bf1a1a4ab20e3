"""Photographs in JPEG 2000 of more than 8 bits a channel."""

import os
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fabgan.components.core.deep import CODESTREAM, white_of
from fabgan.components.core.errors import UnusableImageError
from fabgan.components.core.images import inspect_image, read_image
from tests.unit.test_depth import LOTS, expected, values
from tests.unit.test_ingest import ingested


def jpeg_2000(path: Path, pixels: np.ndarray, bits: int) -> None:
    """Write a JPEG 2000 of so many bits a channel. OpenCV writes 16. Values are stored without half of white."""
    lossless = [cv2.IMWRITE_JPEG2000_COMPRESSION_X1000, 1000]
    content = bytearray(cv2.imencode(".jp2", pixels + (2**15 - 2 ** (bits - 1)), lossless)[1])
    if path.suffix == ".j2k":
        del content[: content.index(CODESTREAM)]
    first = content.index(CODESTREAM) + 42
    for at in range(first, first + 3 * (3 if pixels.ndim == 3 else 1), 3):
        assert content[at] == 15
        content[at] = bits - 1
    path.write_bytes(content)


@pytest.mark.parametrize(("bits", "asked"), [(12, 0), (12, 12), (16, 0), (16, 12)])
@pytest.mark.parametrize("colour", [True, False])
@pytest.mark.parametrize("suffix", [".jp2", ".j2k"])
def test_a_jpeg_2000_keeps_its_brightness(tmp_path: Path, bits: int, asked: int, colour: bool, suffix: str) -> None:
    """Its 12 bits may be in 12 or in 16, as `ingest.bits` says."""
    folder, pixels = tmp_path / "photographs", values(12, colour).repeat(4, axis=0).repeat(4, axis=1)
    for index in range(2 * LOTS):
        path = folder / f"lot-{index % LOTS}" / f"{index}{suffix}"
        path.parent.mkdir(parents=True, exist_ok=True)
        pixels[0, :3] = pixels[0, 4 * index]
        jpeg_2000(path, pixels, bits)
    manifest, frames, _ = ingested(folder, bits=asked)
    shown = [read_image(frames / frame.file, None, frame.white_level)[4::4, ::4] for frame in manifest.images]
    assert len(shown) == 2 * LOTS
    assert max(float(np.abs(pixels - expected(colour)[1:]).max()) for pixels in shown) <= 0.7


@pytest.mark.parametrize("mode", ["LA", "CMYK"])
def test_more_than_8_bits_of_colours_that_nothing_reads_whole_are_refused(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.jp2"
    Image.new("RGB", (96, 64), (200, 100, 50)).convert(mode).save(path)
    content = bytearray(path.read_bytes())
    first = content.index(CODESTREAM) + 42
    content[first : first + 3 * len(mode) : 3] = bytes([11] * len(mode))
    path.write_bytes(content)
    with pytest.raises(UnusableImageError, match="over 8 bits a channel, in colours that cannot be read"):
        inspect_image(path, 32)


def test_its_bits_are_known_without_reading_all_of_it(tmp_path: Path) -> None:
    path = tmp_path / "a.jp2"
    jpeg_2000(path, values(12).repeat(4, axis=0).repeat(4, axis=1), 12)
    os.truncate(path, 100_000_000)
    with path.open("rb") as file, Image.open(file) as image:
        tracemalloc.start()
        assert white_of(image) == 65_520  # Pillow will stretch it
        assert tracemalloc.get_traced_memory()[1] < 1_000_000
        tracemalloc.stop()
