"""Reading and writing image files: known formats only, limited sizes, EXIF orientation applied.

Pixel arrays are uint8 in [0, 255]: H x W for grey, H x W x 3 (RGB) for colour.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from .deep import DEEPEST, colour_values, grey_values, is_deep_colour, refuse_signed_bytes, white_of
from .errors import UnusableImageError, UserError
from .files import atomic_file, sha256_of_file
from .orientation import upright, upright_size
from .transparency import on_black

FORMATS = ("JPEG", "PNG", "TIFF", "BMP", "GIF", "WEBP", "JPEG2000", "PPM", "AVIF")
JPEG = ("JPEG", "MPO")
DAMAGED_JPEG = ("Corrupt JPEG data", "Premature end")
"""How libjpeg begins what it says of damage."""
UNREADABLE = {
    suffix: name
    for name, suffixes in {
        "HEIC": (".heic", ".heif"),
        "a camera's raw format": (".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2", ".pef", ".srw"),
    }.items()
    for suffix in suffixes
}
"""Formats of photographs that are refused by their suffix. Some hold a small preview that would be decoded instead."""
TIFF_REASON = "a damaged TIFF, or of a kind that cannot be read; save it anew, with 8 or 16 bits a channel"
STARTS = {
    b"II*\0": TIFF_REASON,
    b"MM\0*": TIFF_REASON,
    b"II+\0": TIFF_REASON,
    b"MM\0+": TIFF_REASON,
    b"\xff\xd8": "a damaged JPEG, or of a kind that cannot be read; save it anew",
}
"""Why files that begin so, but that Pillow does not know, are not read."""
MAX_PIXELS = 200_000_000
Image.MAX_IMAGE_PIXELS = MAX_PIXELS  # Pillow refuses less by default
WHITE_8_BIT = 255.0
SUBFILE_TAG, INNER_IMAGES_TAG = 254, 330
"""Of TIFF and EXIF."""
MAX_PREVIEWS = 100
ROWS = 512
"""Rows that are converted at once, so that large images need little memory."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class ImageFacts:
    """Size and mode of an image file, after its EXIF orientation was applied."""

    width_px: int
    height_px: int
    mode: str
    highest: float | None
    """Largest value of an image of more than 8 bits; None for others."""
    white_level: float | None
    """The value that means white; None if the file does not say."""


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # From an open file: by its name, Pillow maps it into memory, and forgets that TIFF tags turn it.
            with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
                yield image
    except (UnusableImageError, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise UnusableImageError(_why_unidentified(path)) from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnusableImageError(f"more than {MAX_PIXELS // 1_000_000} megapixels") from error
    except Exception as error:  # Pillow raises nearly anything for files that were damaged
        reason = str(error).strip() or type(error).__name__
        raise UnusableImageError(f"cannot be decoded: {reason}") from error


def _why_unidentified(path: Path) -> str:
    with path.open("rb") as file:
        start = file.read(max(map(len, STARTS)))
    for known, reason in STARTS.items():
        if start.startswith(known):
            return reason
    return f"not an image in one of the formats {', '.join(FORMATS)} that can be read"


def check_suffix(name: str) -> None:
    """Raise UnusableImageError for the name of a photograph in a format that cannot be read."""
    if form := UNREADABLE.get(PurePosixPath(name).suffix.lower()):
        raise UnusableImageError(f"{form} cannot be read; convert it to TIFF or PNG")


def inspect_image(path: Path, side_px: int) -> tuple[ImageFacts, Pixels]:
    """Decode an image file; return what it is, and its upright pixels at `side_px` or more, for a look at it.

    All data of a JPEG is read, but only a fraction of its pixels is computed. Raises UnusableImageError with the
    reason.
    """
    with _opened(path) as image:
        _check_single(image)
        mode, white = image.mode, white_of(image)
        values = _values(image, path, side_px)
        width_px, height_px = upright_size(image) if image.format in JPEG else values.shape[1::-1]
    if values.dtype == np.uint8:
        return ImageFacts(width_px, height_px, mode, None, WHITE_8_BIT), thinned(values, side_px)
    lowest, highest = float(values.min()), float(values.max())
    if not 0 <= lowest <= highest <= DEEPEST:
        raise UnusableImageError(f"its values are {lowest:.6g} to {highest:.6g}; expected 0 to {DEEPEST}")
    if white is not None and highest > white:
        white = None  # The file is wrong about itself.
    small = _as_uint8(thinned(values, side_px), white or highest or 1.0)
    return ImageFacts(width_px, height_px, mode, highest, white), small


def read_image(path: Path, sha256: str | None = None, white_level: float = float(DEEPEST)) -> Pixels:
    """Return the pixels of an image file, upright, uint8, H x W or H x W x 3.

    With `sha256`, the file's bytes must have that digest, because decoding does not detect all flipped bits. The values
    0 to `white_level` of an image of more than 8 bits become 0 to 255. Raises UnusableImageError.
    """
    if sha256 is not None and sha256_of_file(path) != sha256:
        raise UnusableImageError("its content differs from the manifest (sha256 differs)")
    with _opened(path) as image:
        return _as_uint8(_values(image, path), white_level)


def read_listed_image(path: Path, sha256: str, step: str, white_level: float = float(DEEPEST)) -> Pixels:
    """Return the pixels of a file that a manifest lists, as `read_image` does. `step` is the step that wrote it.

    Raises UserError if it is missing or has changed.
    """
    try:
        return read_image(path, sha256, white_level)
    except (UnusableImageError, OSError) as error:
        raise UserError(f"{path}: {error}; remove it, if it is there, and run {step} again") from error


def thinned(values: NDArray[Any], side_px: int) -> NDArray[Any]:
    """Return every nth pixel of an image, so that each side keeps twice `side_px`, if it has that much."""
    step = max(min(values.shape[:2]) // (2 * side_px), 1)
    return np.ascontiguousarray(values[::step, ::step])


def _decoded_jpeg(image: Image.Image, path: Path, side_px: int) -> Pixels | None:
    """Return the pixels of a JPEG as stored, or None if only Pillow can decode it.

    With a `side_px`, they are those of a fraction of its size that is still `side_px` or more. Raises
    UnusableImageError if its data ends early, or does not end where it should; Pillow fills what lacks with grey.
    """
    import simplejpeg

    space = "RGB" if image.mode == "RGB" else "GRAY"
    try:
        decoded = simplejpeg.decode_jpeg(path.read_bytes(), space, min_height=side_px, min_width=side_px, strict=True)
    except ValueError as error:
        if str(error).startswith(DAMAGED_JPEG):
            raise UnusableImageError(f"damaged: {error}") from error
        return None
    if image.mode not in ("L", "RGB"):
        return None
    pixels: Pixels = decoded[:, :, 0] if image.mode == "L" else decoded
    return pixels


def _check_single(image: Image.Image) -> None:
    """Refuse a file of several images. Previews within a TIFF or a JPEG do not count.

    They are not counted, because that takes a time that grows with the square of their number.
    """
    if image.format in JPEG:
        return
    if image.format == "TIFF" and _is_preview(image) and INNER_IMAGES_TAG in image.tag_v2:  # type: ignore[attr-defined]
        raise UnusableImageError("its first image is a small preview, as in a camera's raw format; convert it to TIFF")
    several = _has_pages(image) if image.format == "TIFF" else getattr(image, "is_animated", False)
    if several:
        raise UnusableImageError("it holds several images; save each of them as a file of its own")


def _has_pages(image: Any) -> bool:
    """Return whether a TIFF has a page beside the first one and its previews."""
    for at in range(1, MAX_PREVIEWS + 2):
        try:
            image.seek(at)
        except EOFError:
            image.seek(0)
            return False
        if not _is_preview(image):
            return True
    return True


def _is_preview(image: Any) -> bool:
    """Return whether the present image of a TIFF is a smaller version of another one."""
    return bool(int(image.tag_v2.get(SUBFILE_TAG, 0)) & 1)


def _values(image: Any, path: Path, side_px: int = 0) -> NDArray[Any]:
    """Return the decoded values, upright: H x W, or H x W x 3 in the order RGB; of a JPEG as `_decoded_jpeg` does."""
    decoded = _decoded_jpeg(image, path, side_px) if image.format in JPEG else None
    if decoded is not None:
        return upright(decoded, image)
    if image.format == "PNG":
        _check_png(path)
    refuse_signed_bytes(image)
    deep_colour = is_deep_colour(image)
    image.load()
    if deep_colour:
        values = colour_values(path, image.has_transparency_data)
    elif image.mode.startswith(("I", "F")):
        values = grey_values(image)
    else:
        values = _shallow_values(image)
    return upright(values, image)


def _shallow_values(image: Image.Image) -> Pixels:
    """Return the values of a loaded image of 8 bits, on black: H x W, or H x W x 3."""
    mode = "L" if image.mode in ("1", "L", "LA", "La") else "RGB"
    if not image.has_transparency_data:
        return np.asarray(image if image.mode == mode else image.convert(mode))
    values = on_black(np.asarray(image.convert(f"{mode}A")), WHITE_8_BIT)
    return values[:, :, 0] if mode == "L" else values


def _check_png(path: Path) -> None:
    """Compare each chunk of a PNG file with its CRC, which decoding does not do. Raises UnusableImageError."""
    with Image.open(path, formats=["PNG"]) as image:
        try:
            image.verify()
        except MemoryError:
            raise
        except Exception as error:  # Pillow raises nearly anything for files that were damaged
            raise UnusableImageError(f"damaged: a checksum in it is wrong, or it ends early ({error})") from error


def _as_uint8(values: NDArray[Any], white_level: float) -> Pixels:
    if values.dtype == np.uint8:
        return values if values.flags.writeable else values.copy()
    pixels = np.empty(values.shape, dtype=np.uint8)
    for top in range(0, len(values), ROWS):
        scaled = values[top : top + ROWS].astype(np.float32) * (255 / white_level)
        pixels[top : top + ROWS] = (scaled + 0.5).clip(0, 255)
    return pixels


def write_png(path: Path, pixels: Pixels) -> None:
    """Write pixels as PNG, atomically and without metadata."""
    with atomic_file(path) as partial:
        partial.write_bytes(png_bytes(pixels))


def png_bytes(pixels: Pixels) -> bytes:
    """Return pixels as a PNG without metadata."""
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def write_jpeg(path: Path, pixels: Pixels) -> None:
    """Write pixels as a high-quality JPEG, atomically and without metadata."""
    with atomic_file(path) as partial:
        Image.fromarray(pixels).save(partial, format="JPEG", quality=95)


def resize(pixels: Pixels, size_px: int) -> Pixels:
    """Return pixels resized to `size_px` x `size_px` with an antialiasing (Lanczos) filter."""
    image = Image.fromarray(pixels)
    return np.array(image.resize((size_px, size_px), Image.Resampling.LANCZOS, reducing_gap=3.0), dtype=np.uint8)


def to_grey(pixels: Pixels) -> Pixels:
    """Return the luma of pixels (ITU-R BT.601), H x W."""
    return np.array(Image.fromarray(pixels).convert("L"), dtype=np.uint8)
