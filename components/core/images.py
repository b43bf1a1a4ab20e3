"""Reading and writing image files with Pillow: allowed formats only, limited sizes, EXIF orientation applied.

Pixel arrays are uint8 in [0, 255]: H x W for grey, H x W x 3 (RGB) for colour.
"""

import io
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from .errors import UserError
from .files import atomic_file, sha256_of_file

FORMATS = ("JPEG", "PNG", "BMP", "TIFF")
SUFFIXES = frozenset({".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff"})
MAX_PIXELS = 200_000_000

Pixels = NDArray[np.uint8]


class UnusableImageError(Exception):
    """An image that cannot be used. The message is the reason for the manifest's quarantine list."""


@dataclass(frozen=True)
class ImageFacts:
    """Size and mode of an image file, after its EXIF orientation was applied."""

    width_px: int
    height_px: int
    mode: str


@contextmanager
def _opened(path: Path) -> Iterator[Image.Image]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path, formats=FORMATS) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise UnusableImageError(f"larger than {MAX_PIXELS // 1_000_000} megapixels")
                yield image
    except UnusableImageError:
        raise
    except UnidentifiedImageError as error:
        raise UnusableImageError(f"not an image in one of the formats {', '.join(FORMATS)}") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise UnusableImageError("its header declares more pixels than are safe to decode") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise UnusableImageError(f"cannot be decoded: {error}") from error


def inspect_image(path: Path) -> ImageFacts:
    """Decode every pixel of an image file; return its size and mode. Raises UnusableImageError with the reason."""
    with _opened(path) as image:
        mode = image.mode
        upright = ImageOps.exif_transpose(image)
        upright.load()
        return ImageFacts(upright.width, upright.height, mode)


def read_image(path: Path, sha256: str | None = None) -> Pixels:
    """Return the pixels of an image file, upright, uint8, H x W or H x W x 3.

    With `sha256`, the file's bytes must have that digest, because decoding does not detect all flipped bits. Raises
    UnusableImageError.
    """
    if sha256 is not None and sha256_of_file(path) != sha256:
        raise UnusableImageError("its content differs from the manifest (sha256 differs)")
    with _opened(path) as image:
        return _to_uint8(ImageOps.exif_transpose(image))


def _to_uint8(image: Image.Image) -> Pixels:
    if image.mode in ("I;16", "I;16L", "I;16B", "I"):
        deep = np.asarray(image, dtype=np.int64)
        return (deep >> 8).clip(0, 255).astype(np.uint8)
    grey = image.mode in ("1", "L", "LA")
    return np.array(image.convert("L" if grey else "RGB"), dtype=np.uint8)


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


def find_images(paths: Iterable[str], where: str) -> list[str]:
    """Return the paths that have an image suffix and are not hidden, sorted. Raises UserError if there are none."""
    visible = sorted(path for path in paths if not any(part.startswith(".") for part in path.split("/")))
    images = [path for path in visible if PurePosixPath(path).suffix.lower() in SUFFIXES]
    if not images:
        reason = "it is empty" if not visible else f"none of its {len(visible)} files is an image"
        raise UserError(f"{where}: no image to use ({', '.join(sorted(SUFFIXES))}): {reason}")
    return images
