"""Images of more than 8 bits a value. Pillow leaves grey ones as they are stored, and keeps 8 bits of colour.

Cameras write 10, 12 or 14 bits into files of 16 bits, and few files say so.
"""

import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import UnusableImageError
from .transparency import on_black

DEEPEST = 65_535
"""Largest value of a whole number that can be brightness."""
BITS_TAG, MEANING_TAG, MAX_VALUE_TAG, PLANES_TAG, FORMAT_TAG = 258, 262, 281, 284, 339
"""Of TIFF."""
SIGNED = 2
"""Value of `FORMAT_TAG`."""
WHITE_IS_ZERO = 0
"""Value of `MEANING_TAG`."""
SEPARATE = 2
"""Value of `PLANES_TAG`: all of red, then all of green, then all of blue."""
CODESTREAM = b"\xff\x4f\xff\x51"
"""How the pixels of a JPEG 2000 begin, after any boxes of its file: the markers SOC and SIZ (ISO/IEC 15444-1, A.5)."""
CHANNELS_AT = 40
"""Place of the number of channels, in bytes from there. Three bytes of each follow, and the first has its bits."""
UNUSED_BITS = 2
"""An image that leaves so many bits unused may have fewer of them than its file."""


def white_of(image: Any) -> float | None:
    """Return the value that means white, if a TIFF, JPEG 2000 or PPM that is not loaded yet says so."""
    tags, bits = _tags(image), _bits_of_jpeg2000(image)
    if 8 < bits < 16:
        stretched = 16 - bits if image.mode.startswith("I") else 0  # Pillow does that to grey
        return float((2**bits - 1) << stretched)
    bits, highest = (np.max(tags.get(tag, 0)) for tag in (BITS_TAG, MAX_VALUE_TAG))
    if 8 < bits < 16:
        return float(2**bits - 1)
    highest = _max_value_of_ppm(image) or highest
    if 255 <= highest < DEEPEST:
        return float(highest)
    return float(DEEPEST) if _is_negative(image) or _is_stretched(image) else None


def refuse_signed_bytes(image: Any) -> None:
    """Raise UnusableImageError for a TIFF of 8 bits with a sign. Pillow reads -1 of it as 255."""
    tags = _tags(image)
    if np.max(tags.get(BITS_TAG, 0)) <= 8 and SIGNED in np.atleast_1d(tags.get(FORMAT_TAG, 1)):
        raise UnusableImageError("8 bits a value with a sign, of which none means black; save it without a sign")


def is_deep_colour(image: Any) -> bool:
    """Return whether an image that is not loaded yet has colour with more than 8 bits a channel."""
    depths = np.atleast_1d(_tags(image).get(BITS_TAG, 0))
    if len(depths) > 1 and depths.max() > 8 and _tags(image).get(PLANES_TAG) == SEPARATE:
        raise UnusableImageError(
            f"{depths.max()} bits a channel, in a plane for each channel; save it with interleaved channels"
        )
    deep = any(";16" in str(tile) for tile in image.tile) or _bits_of_jpeg2000(image) > 8
    return (deep and not image.mode.startswith("I")) or _max_value_of_ppm(image) > 255


def colour_values(path: Path, is_transparent: bool) -> NDArray[Any]:
    """Return the values of a file with more than 8 bits a channel, on black: H x W, or H x W x 3 in the order RGB.

    Its fourth channel counts if it `is_transparent`. Then the largest value of that is opaque.
    """
    import cv2

    values = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise UnusableImageError("over 8 bits a channel, in colours that cannot be read; save it as RGB or grey")
    if values.ndim == 2:
        return values
    if is_transparent and values.shape[2] == 4:
        values = on_black(values, max(float(values[:, :, 3].max()), 1.0))
    return np.ascontiguousarray(values[:, :, 2::-1])


def grey_values(image: Any) -> NDArray[Any]:
    """Return the values of a loaded image of Pillow's modes I, I;16 and F, with 0 for black: H x W."""
    values: NDArray[Any] = np.asarray(image)
    if not _is_negative(image):
        return values
    level, highest = int(white_of(image) or DEEPEST), values.max()
    if not image.mode.startswith("I;16") or highest > level:
        raise UnusableImageError(
            f"0 means white in it, and its largest value is {highest:.6g}; save it with black as 0"
        )
    if level == DEEPEST and MAX_VALUE_TAG not in _tags(image) and highest <= level >> UNUSED_BITS:
        raise UnusableImageError(
            f"0 means white in it, and its values reach {highest}, so its bits are unknown; save it with black as 0"
        )
    return level - values


def _tags(image: Any) -> Any:
    return getattr(image, "tag_v2", {})


def _is_negative(image: Any) -> bool:
    """Return whether 0 means white in a TIFF of more than 8 bits, which Pillow leaves as it is."""
    deep: bool = image.mode.startswith(("I", "F"))
    return deep and _tags(image).get(MEANING_TAG) == WHITE_IS_ZERO


def _is_stretched(image: Any) -> bool:
    """Return whether Pillow will let the white of a grey PPM that is not loaded yet be `DEEPEST`."""
    is_grey: bool = image.format == "PPM" and image.mode == "I"
    return is_grey and image.tile[0].codec_name != "raw"


def _bits_of_jpeg2000(image: Any) -> int:
    """Return the most bits that a channel of a JPEG 2000 has that is not loaded yet, or 0 for other images."""
    if image.format != "JPEG2000":
        return 0
    with mmap.mmap(image.fp.fileno(), 0, access=mmap.ACCESS_READ) as content:
        start = content.find(CODESTREAM)
        at = start + CHANNELS_AT if start >= 0 else len(content)
        channels = int.from_bytes(content[at : at + 2])
        return max(((bits & 0x7F) + 1 for bits in content[at + 2 : at + 2 + 3 * channels : 3]), default=0)


def _max_value_of_ppm(image: Any) -> int:
    """Return the value that means white in a PPM with colour, or 0 for other images."""
    if image.format != "PPM" or image.mode != "RGB" or not image.tile:
        return 0
    arguments = image.tile[0].args
    return int(arguments[1]) if isinstance(arguments, tuple) else 255
