"""Sheets of images for people to look at.

Dimensions: N images, C channels, H W pixels.
"""

import math
from collections.abc import Mapping

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.nn.functional import interpolate

from components.images import Pixels

GAP_PX = 4
SHOWN_PX = 128
PAPER_WHITE = 255
CAPTION_PX = 28


def image_grid(x_NCHW: Tensor, columns: int | None = None) -> Pixels:
    """Return uint8 images side by side on white, H' x W' or H' x W' x 3, small ones enlarged to be seen."""
    columns = columns or math.ceil(math.sqrt(len(x_NCHW)))
    zoom = max(SHOWN_PX // x_NCHW.shape[-1], 1)
    shown_NHWC = interpolate(x_NCHW, scale_factor=zoom, mode="nearest").permute(0, 2, 3, 1).numpy()
    side_px, channels = shown_NHWC.shape[1], shown_NHWC.shape[3]
    pitch_px, rows = side_px + GAP_PX, math.ceil(len(shown_NHWC) / columns)
    grid = np.full((rows * pitch_px + GAP_PX, columns * pitch_px + GAP_PX, channels), PAPER_WHITE, np.uint8)
    for index, image in enumerate(shown_NHWC):
        top, left = (GAP_PX + pitch_px * place for place in divmod(index, columns))
        grid[top : top + side_px, left : left + side_px] = image
    return grid.squeeze(2) if channels == 1 else grid


def side_by_side(pictures: Mapping[str, Pixels]) -> Pixels:
    """Return pictures in a row, each under its caption, uint8 RGB."""
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
