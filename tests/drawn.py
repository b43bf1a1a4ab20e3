"""Photographs of a package with coloured marks, drawn with a few lines, and the masks of the marks."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

FRAME_PX = (360, 480)
BODY_PX = (220, 160)
"""Width and height of the package."""
MARKS = {1: (-80, -50, -40, -20), 2: (30, 10, 90, 60)}
"""Of each value, a box in coordinates of the package, from its middle."""
COLOURS = {1: (230, 20, 20), 2: (20, 230, 20)}

Mask = NDArray[np.uint8]


def turned(box: tuple[int, int, int, int], angle_deg: float) -> NDArray[np.int32]:
    """Return the corners of a box in the frame, in sixteenths of pixels."""
    left, top, right, bottom = box
    angle = math.radians(angle_deg)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    corners = np.array([[left, top], [right, top], [right, bottom], [left, bottom]]) @ turn.T
    fixed: NDArray[np.int32] = np.rint((corners + np.array([240, 180])) * 16).astype(np.int32)
    return fixed


def drawn(angle_deg: float) -> tuple[Mask, Mask]:
    """Return a photograph of a package with coloured marks, and the mask of the marks."""
    frame = np.full((*FRAME_PX, 3), 235, np.uint8)
    mask = np.zeros(FRAME_PX, np.uint8)
    half_px = [side_px // 2 for side_px in BODY_PX]
    body = (-half_px[0], -half_px[1], half_px[0], half_px[1])
    cv2.fillPoly(frame, [turned(body, angle_deg)], (40, 40, 40), shift=4)
    for value, box in MARKS.items():
        cv2.fillPoly(frame, [turned(box, angle_deg)], COLOURS[value], shift=4)
        cv2.fillPoly(mask, [turned(box, angle_deg)], (value,), shift=4)
    return frame, mask
