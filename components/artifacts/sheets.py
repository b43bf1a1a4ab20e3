"""Sheets of images to look at.

Dimensions: N images, C channels, H W pixels.
"""

import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from ..core.images import Pixels

GAP_PX = 4
SHOWN_PX = (128, 256)
"""Smaller images are enlarged by a whole factor, to the first size at most. Larger ones are shrunk to the second."""
PAPER_WHITE = 255
CAPTION_PX = 28


def image_grid(images: Iterable[Tensor], columns: int | None = None) -> Pixels:
    """Return images, C x H x W uint8, side by side on white: H' x W' or H' x W' x 3. See `SHOWN_PX` for their size."""
    shown = [_shown(pixels_of(x_CHW)) for x_CHW in images]
    columns = columns or math.ceil(math.sqrt(len(shown)))
    side_px, *channels = shown[0].shape[1:]
    pitch_px, rows = side_px + GAP_PX, math.ceil(len(shown) / columns)
    grid = np.full((rows * pitch_px + GAP_PX, columns * pitch_px + GAP_PX, *channels), PAPER_WHITE, np.uint8)
    for index, pixels in enumerate(shown):
        top, left = (GAP_PX + pitch_px * place for place in divmod(index, columns))
        grid[top : top + side_px, left : left + side_px] = pixels
    return grid


def pixels_of(x_CHW: Tensor) -> Pixels:
    """Return a uint8 image as H x W or H x W x 3."""
    pixels: Pixels = x_CHW.permute(1, 2, 0).cpu().numpy()
    return pixels.squeeze(2) if pixels.shape[2] == 1 else pixels


def _shown(pixels: Pixels) -> Pixels:
    (min_px, max_px), side_px = SHOWN_PX, len(pixels)
    shown_px = max_px if side_px > max_px else side_px * max(min_px // side_px, 1)
    # Averages where it shrinks, and repeats where it enlarges by a whole factor.
    return np.asarray(Image.fromarray(pixels).resize((shown_px, shown_px), Image.Resampling.BOX))


def of_full_rows(count: int, columns: int) -> int:
    """Return how many of `count` images fill whole rows, so that the next image begins a row. One row may be short."""
    return count - count % columns if count > columns else count


def with_corners(images: Iterable[Tensor], count: int) -> Iterator[Tensor]:
    """Yield images. If a grid shrinks them, then also yield upper left corners of the first `count`, not shrunk."""
    corners = list[Tensor]()
    for x_CHW in images:
        yield x_CHW
        if x_CHW.shape[-1] > SHOWN_PX[1] and len(corners) < count:
            corners.append(x_CHW[:, : SHOWN_PX[1], : SHOWN_PX[1]].clone())
    yield from corners


def side_by_side(pictures: Mapping[str, Pixels]) -> Pixels:
    """Return pictures in a row, each below its caption, H x W x 3 uint8 (RGB)."""
    shown = {caption: Image.fromarray(pixels).convert("RGB") for caption, pixels in pictures.items()}
    width_px = sum(image.width for image in shown.values()) + CAPTION_PX * (len(shown) - 1)
    height_px = CAPTION_PX + max(image.height for image in shown.values())
    sheet = Image.new("RGB", (width_px, height_px), (PAPER_WHITE,) * 3)
    font, left = ImageFont.load_default(CAPTION_PX - 8), 0
    for caption, image in shown.items():
        ImageDraw.Draw(sheet).text((left + GAP_PX, 0), caption, fill=(0, 0, 0), font=font)
        sheet.paste(image, (left, CAPTION_PX))
        left += image.width + CAPTION_PX
    return np.array(sheet)
