import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image, ImageOps, TiffImagePlugin, TiffTags

from fabgan.components.core.errors import UnusableImageError
from fabgan.components.core.files import sha256_of_file
from fabgan.components.core.images import ImageFacts, inspect_image, read_image, resize, write_png


def photograph(path: Path, width_px: int = 40, height_px: int = 30) -> Path:
    pixels = np.random.default_rng(1).integers(0, 256, (height_px, width_px, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def facts_of(path: Path) -> ImageFacts:
    return inspect_image(path, 192)[0]


def bomb(path: Path, side_px: int) -> Path:
    """A PNG whose header claims far more pixels than its few bytes hold."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", side_px, side_px, 8, 0, 0, 0, 0)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    return path


def test_facts_of_a_good_image(tmp_path: Path) -> None:
    facts = facts_of(photograph(tmp_path / "a.jpg"))
    assert (facts.width_px, facts.height_px, facts.mode) == (40, 30, "RGB")


@pytest.mark.parametrize("side_px", [15_000, 60_000])
def test_decompression_bombs_are_unusable(tmp_path: Path, side_px: int) -> None:
    with pytest.raises(UnusableImageError, match=r"pixels|megapixels"):
        facts_of(bomb(tmp_path / "bomb.png", side_px))


def test_half_a_jpeg_is_unusable(tmp_path: Path) -> None:
    path = photograph(tmp_path / "a.jpg", 400, 300)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(UnusableImageError, match="damaged: Premature end"):
        facts_of(path)


@pytest.mark.parametrize("lacking", ["PIL.ImageFile.ImageFile.load", "PIL.PngImagePlugin.PngImageFile.verify"])
def test_a_lack_of_memory_is_no_fault_of_the_image(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacking: str
) -> None:
    monkeypatch.setattr(lacking, lack_memory)
    for read in (facts_of, read_image):
        with pytest.raises(MemoryError):
            read(photograph(tmp_path / "a.png"))


def test_a_photograph_is_not_taken_as_upright_for_lack_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("PIL.Image.Image.getexif", lack_memory)
    with pytest.raises(MemoryError):
        facts_of(photograph(tmp_path / "a.jpg"))


def lack_memory(*_: object) -> None:
    raise MemoryError


@pytest.mark.parametrize("content", [b"", b"not an image at all", b"GIF89a" + bytes(100)])
def test_other_files_are_unusable(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(UnusableImageError):
        facts_of(path)


def test_flipped_bits_are_noticed_by_their_digest(tmp_path: Path) -> None:
    path = photograph(tmp_path / "a.jpg", 400, 300)
    sha256 = sha256_of_file(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(bytes(content))
    with pytest.raises(UnusableImageError, match="sha256 differs"):
        read_image(path, sha256)


@pytest.mark.parametrize("grey_values", [np.uint8, np.uint16])
def test_a_flipped_bit_of_a_png_is_noticed_by_its_checksum(tmp_path: Path, grey_values: type) -> None:
    random, path = np.random.default_rng(1), tmp_path / "damaged.png"
    Image.fromarray(random.integers(0, np.iinfo(grey_values).max, (64, 64), grey_values)).save(path)
    assert read_image(path).shape == (64, 64)
    whole = path.read_bytes()
    for at in random.integers(8, len(whole) - 12, 40).tolist():
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 1 << int(random.integers(8))]) + whole[at + 1 :])
        with pytest.raises(UnusableImageError):
            read_image(path)
    path.write_bytes(whole[: len(whole) // 2].ljust(len(whole), b"\0"))
    with pytest.raises(UnusableImageError):
        read_image(path)


def test_a_tiff_of_signed_bytes_is_unusable(tmp_path: Path) -> None:
    Image.new("L", (8, 8), 3).save(tmp_path / "signed.tif", tiffinfo={339: 2})
    with pytest.raises(UnusableImageError, match="8 bits a value with a sign"):
        read_image(tmp_path / "signed.tif")


def test_exif_orientation_is_honoured(tmp_path: Path) -> None:
    path = tmp_path / "turned.jpg"
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (40, 30)).save(path, exif=exif)
    assert read_image(path).shape == (40, 30, 3)
    assert facts_of(path).width_px == 30


def test_deep_grey_images_keep_their_range(tmp_path: Path) -> None:
    path = tmp_path / "deep.png"
    Image.fromarray(np.linspace(0, 65535, 256, dtype=np.uint16).reshape(16, 16)).save(path)
    pixels = read_image(path)
    assert pixels.shape == (16, 16)
    assert len(np.unique(pixels)) == 256


def test_png_round_trip_is_exact_and_has_no_metadata(tmp_path: Path) -> None:
    pixels = read_image(photograph(tmp_path / "a.jpg"))
    write_png(tmp_path / "b.png", pixels)
    assert np.array_equal(read_image(tmp_path / "b.png"), pixels)
    with Image.open(tmp_path / "b.png") as written:
        assert written.info == {}


def test_resize_antialiases() -> None:
    """A checkerboard finer than the new grid becomes grey, not a coarser checkerboard."""
    checkerboard = (np.indices((128, 128)).sum(axis=0) % 2 * 255).astype(np.uint8)
    assert np.ptp(resize(checkerboard, 32)[4:-4, 4:-4]) <= 4


def cut_and_closed(content: bytes) -> bytes:
    return content[: len(content) * 2 // 3] + b"\xff\xd9"


def with_zeros(content: bytes) -> bytes:
    middle = len(content) // 2
    return content[:middle] + bytes(4096) + content[middle + 4096 :]


def of_9400_px(content: bytes) -> bytes:
    at = content.index(b"\xff\xc0") + 5
    return content[:at] + 2 * (9400).to_bytes(2, "big") + content[at + 4 :]


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("damage", [cut_and_closed, with_zeros, of_9400_px])
def test_damaged_jpegs_that_pillow_decodes_are_unusable(
    tmp_path: Path, mode: str, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / "a.jpg"
    pixels = np.random.default_rng(1).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    Image.fromarray(pixels).convert(mode).save(path, quality=90)
    assert facts_of(path).width_px == 300
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(UnusableImageError, match=r"damaged: |cannot be decoded"):
        facts_of(path)


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}])
def test_pixels_of_a_jpeg_are_those_of_pillow(tmp_path: Path, mode: str, options: dict[str, Any]) -> None:
    path = tmp_path / "a.jpg"
    pixels = np.random.default_rng(1).integers(0, 256, (61, 83, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(pixels).convert(mode).save(path, exif=exif, **options)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image).convert("L" if mode == "L" else "RGB"))
    assert np.array_equal(read_image(path), expected)


@pytest.mark.parametrize("progressive", [False, True])
def test_a_look_at_a_fraction_of_a_jpeg_sees_the_damage_that_all_pixels_show(tmp_path: Path, progressive: bool) -> None:
    path, random, verdicts = tmp_path / "a.jpg", np.random.default_rng(2), []
    pixels = cv2.GaussianBlur(random.integers(0, 256, (800, 900, 3), dtype=np.uint8), (0, 0), 3)
    Image.fromarray(pixels).save(path, quality=90, progressive=progressive)
    content = path.read_bytes()
    for _ in range(120):
        damaged = bytearray(content)
        for place in random.integers(700, len(content), 2):
            damaged[place] = random.integers(0, 256)
        path.write_bytes(damaged)
        verdicts.append((_is_unusable(facts_of, path), _is_unusable(read_image, path)))
    assert all(fraction == whole for fraction, whole in verdicts)
    assert 0 < sum(whole for _, whole in verdicts) < len(verdicts)


def _is_unusable(read: Callable[[Path], object], path: Path) -> bool:
    try:
        read(path)
    except UnusableImageError:
        return True
    return False


@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_exif_orientation_is_undone_as_pillow_does(tmp_path: Path, orientation: int) -> None:
    path = tmp_path / "turned.png"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(np.arange(12, dtype=np.uint8).reshape(3, 4)).save(path, exif=exif)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    assert np.array_equal(read_image(path), expected)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("mode", ["L", "I;16", "P", "RGB", "CMYK"])
def test_a_tiff_is_turned_as_its_tag_says(tmp_path: Path, mode: str, orientation: int) -> None:
    grey = np.arange(30 * 40, dtype=np.uint16).reshape(30, 40)
    image = Image.fromarray(grey) if mode == "I;16" else Image.fromarray(grey.astype(np.uint8)).convert(mode)
    image.save(tmp_path / "upright.tif")
    image.save(tmp_path / "turned.tif", tiffinfo={274: orientation})
    # The array of numbers of pixels turns as the pixels do.
    turning = Image.Exif()
    turning[274] = orientation
    Image.fromarray(grey.astype(np.int32)).save(tmp_path / "places.tif", exif=turning)
    with Image.open(tmp_path / "places.tif") as stored:
        place_HW = np.asarray(ImageOps.exif_transpose(stored))
    upright, turned = (read_image(tmp_path / name, None, 1200.0) for name in ("upright.tif", "turned.tif"))
    assert np.array_equal(turned, upright.reshape(30 * 40, *upright.shape[2:])[place_HW])


def test_a_tiff_that_begins_with_a_preview_is_unusable(tmp_path: Path) -> None:
    Image.new("L", (40, 30)).save(tmp_path / "small.tif", tiffinfo={254: 1})
    assert facts_of(tmp_path / "small.tif").width_px == 40
    tags = TiffImagePlugin.ImageFileDirectory_v2()
    tags[254], tags[330] = 1, 8
    tags.tagtype[330] = TiffTags.LONG
    Image.new("L", (40, 30)).save(tmp_path / "a.tif", tiffinfo=tags)
    with pytest.raises(UnusableImageError, match="its first image is a small preview"):
        facts_of(tmp_path / "a.tif")


@pytest.mark.parametrize("start", [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+", b"\xff\xd8"])
def test_a_file_that_pillow_does_not_know_is_called_what_it_is(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "a").write_bytes(start + bytes(100))
    known = "JPEG" if start == b"\xff\xd8" else "TIFF"
    with pytest.raises(UnusableImageError, match=f"^a damaged {known}, or of a kind"):
        facts_of(tmp_path / "a")


def with_exif(path: Path, exif: bytes) -> Path:
    Image.new("RGB", (40, 30), (200, 30, 30)).save(path, exif=exif)
    return path


def test_pixels_are_used_whatever_state_their_exif_block_is_in(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112], exif[0x011A], exif[0x010F] = 6, 72.0, "camera"
    block = bytearray(exif.tobytes())
    random, orientations = np.random.default_rng(1), set()
    for at in range(300):
        odd = block.copy()
        for place in random.integers(6, len(block), random.integers(1, 7)):
            odd[place] = random.integers(0, 256)
        shape = read_image(with_exif(tmp_path / f"{at}.jpg", bytes(odd))).shape
        orientations.add(shape)
        assert facts_of(tmp_path / f"{at}.jpg").height_px == shape[0]
    assert orientations == {(40, 30, 3), (30, 40, 3)}


def test_a_photograph_of_more_than_90_megapixels_is_read(tmp_path: Path) -> None:
    path = tmp_path / "large.png"
    Image.new("1", (10_000, 10_000)).save(path)
    assert facts_of(path).width_px == 10_000


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "LAB"])
def test_every_mode_is_read_or_refused_when_it_is_inspected(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "a.tif"
    Image.new(mode, (40, 30)).save(path)
    try:
        facts_of(path)
    except UnusableImageError:
        return
    assert read_image(path).shape[:2] == (30, 40)
