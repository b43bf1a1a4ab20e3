"""Sheets of images to look at.

Dimensions: N images, C channels, H W pixels.
"""

import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import interpolate

from ..core.images import Pixels

GAP_PX = 4
SHOWN_PX = (128, 256)
"""Smaller images are enlarged by a whole factor, to the first size at most. Larger ones are shrunk to the second."""
PAPER_WHITE = 255
CAPTION_PX = 28


def image_grid(images: Iterable[Tensor], columns: int | None = None) -> Pixels:
    """Return images, C x H x W uint8, side by side on white: H' x W' or H' x W' x 3. See `SHOWN_PX` for their size."""
    shown_NHWC = torch.stack([_shown(x_CHW) for x_CHW in images]).permute(0, 2, 3, 1).numpy()
    columns = columns or math.ceil(math.sqrt(len(shown_NHWC)))
    side_px, channels = shown_NHWC.shape[1], shown_NHWC.shape[3]
    pitch_px, rows = side_px + GAP_PX, math.ceil(len(shown_NHWC) / columns)
    grid = np.full((rows * pitch_px + GAP_PX, columns * pitch_px + GAP_PX, channels), PAPER_WHITE, np.uint8)
    for index, image in enumerate(shown_NHWC):
        top, left = (GAP_PX + pitch_px * place for place in divmod(index, columns))
        grid[top : top + side_px, left : left + side_px] = image
    return grid.squeeze(2) if channels == 1 else grid


def _shown(x_CHW: Tensor) -> Tensor:
    min_px, max_px = SHOWN_PX
    if x_CHW.shape[-1] > max_px:
        return interpolate(x_CHW[None].float(), size=(max_px, max_px), mode="area")[0].round().to(torch.uint8)
    return interpolate(x_CHW[None], scale_factor=max(min_px // x_CHW.shape[-1], 1), mode="nearest")[0]


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
