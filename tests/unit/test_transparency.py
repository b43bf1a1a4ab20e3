"""What is transparent is black, whatever colours the file keeps for it."""

import struct
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fabgan.components.core.images import inspect_image, read_image

COLOURS = np.random.default_rng(3).integers(0, 256, (64, 96, 3), dtype=np.uint8)
OPACITY = np.repeat(np.linspace(0, 255, 96).astype(np.uint8)[None], 64, axis=0)


def write(path: Path, mode: str, opacity: np.ndarray) -> None:
    if mode == "RGBA;16":
        cv2.imwrite(str(path), np.dstack([COLOURS[:, :, ::-1], opacity]).astype(np.uint16) * 257)
    else:
        colours = COLOURS[:, :, :1] if mode == "LA" else COLOURS
        Image.fromarray(np.dstack([colours, opacity])).save(path, lossless=True, exact=True)


@pytest.mark.parametrize(
    ("suffix", "mode"),
    [(".png", "LA"), (".png", "RGBA"), (".tif", "RGBA"), (".webp", "RGBA"), (".png", "RGBA;16"), (".tif", "RGBA;16")],
)
def test_what_is_transparent_is_black_and_what_is_opaque_is_as_it_was(tmp_path: Path, suffix: str, mode: str) -> None:
    path, wanted = tmp_path / f"a{suffix}", COLOURS[:, :, 0] if mode == "LA" else COLOURS
    write(path, mode, np.full_like(OPACITY, 255))
    assert np.array_equal(read_image(path), wanted)
    write(path, mode, OPACITY)
    seen = OPACITY / 255 if mode == "LA" else OPACITY[:, :, None] / 255
    assert np.abs(read_image(path) - wanted * seen).max() <= 0.6
    assert np.array_equal(inspect_image(path, 96)[1], read_image(path))


@pytest.mark.parametrize(("mode", "key"), [("1", 255), ("L", 255), ("P", 255), ("RGB", (255, 255, 255))])
def test_the_colour_that_means_transparent_is_black(tmp_path: Path, mode: str, key: object) -> None:
    image = Image.new("L", (8, 8), 255)
    image.paste(0, (0, 0, 4, 8))
    image.convert(mode).save(tmp_path / "a.png", transparency=key)
    assert not read_image(tmp_path / "a.png").any()


def test_an_image_of_16_bits_that_is_all_transparent_is_black(tmp_path: Path) -> None:
    write(tmp_path / "a.png", "RGBA;16", np.zeros_like(OPACITY))
    assert not read_image(tmp_path / "a.png").any()


def test_a_fourth_channel_that_is_no_opacity_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    write(path, "RGBA;16", OPACITY)
    content = bytearray(path.read_bytes())
    at = content.index(struct.pack("<HHI", 339, 3, 4))  # the tag of signs, which may lack, in place of
    content[at : at + 12] = struct.pack("<HHIHH", 338, 3, 1, 0, 0)  # the one that tells what the fourth channel is
    path.write_bytes(content)
    assert np.array_equal(read_image(path), COLOURS)
