"""Find the package in a photograph, and cut out an upright square crop of it.

Pixel centres are at integer coordinates, x to the right and y down. The frame covers
[-0.5, width - 0.5] x [-0.5, height - 0.5]. "Clockwise" and angles are as seen on the screen.
"""

from .find import find_outline
from .geometry import (
    Outline,
    box_outline,
    crop_corners,
    crop_size_px,
    filled_up,
    filled_up_mask,
    frame_outline,
    iou,
    straighten,
    straighten_mask,
    window,
)

__all__ = [
    "Outline",
    "box_outline",
    "crop_corners",
    "crop_size_px",
    "filled_up",
    "filled_up_mask",
    "find_outline",
    "frame_outline",
    "iou",
    "straighten",
    "straighten_mask",
    "window",
]
