"""Drawn photographs of packages: plain bodies with a marking, on a plain ground that is lit unevenly."""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from fabgan.components.core.images import Pixels

Point = tuple[float, float]
Corners = tuple[Point, Point, Point, Point]
Colour = tuple[int, int, int]
Points = NDArray[np.float64]

WIDTH_PX, HEIGHT_PX = 640, 480
GREEN, BLACK, WHITE, TRAY = (40, 110, 60), (14, 15, 18), (250, 250, 250), (32, 32, 34)
MARKING = (130, 130, 125)


def rectangle(centre: Point, width_px: float, height_px: float, angle_deg: float) -> Corners:
    cosine, sine = math.cos(math.radians(angle_deg)), math.sin(math.radians(angle_deg))

    def corner(right: float, down: float) -> Point:
        x, y = right * width_px / 2, down * height_px / 2
        return centre[0] + cosine * x - sine * y, centre[1] + sine * x + cosine * y

    return corner(-1, -1), corner(1, -1), corner(1, 1), corner(-1, 1)


def draw(
    *packages: Corners, body: Colour = GREEN, ground: Colour = TRAY, noise: float = 2.0, blur_px: float = 0.8
) -> Pixels:
    """Return a noisy frame, lit unevenly, with packages in it; drawn four times as large for clean edges."""
    canvas = np.full((HEIGHT_PX * 4, WIDTH_PX * 4, 3), ground, np.uint8)
    for corners in packages:
        _fill(canvas, np.array(corners), body)
        _mark(canvas, np.array(corners))
    small = cv2.resize(canvas, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    rng = np.random.default_rng(1)
    light = 0.85 + 0.3 * np.linspace(0, 1, WIDTH_PX)[None, :, None]
    lit = cv2.GaussianBlur(small, (0, 0), blur_px) * light + rng.normal(0, noise, small.shape)
    return np.clip(np.round(lit), 0, 255).astype(np.uint8)


def _fill(canvas: Pixels, corners: Points, colour: Colour) -> None:
    cv2.fillPoly(canvas, [np.round((corners * 4 + 1.5) * 16).astype(np.int32)], colour, shift=4)


def _mark(canvas: Pixels, corners: Points) -> None:
    """Write three lines on a package, as bars."""
    origin, right, down = corners[0], corners[1] - corners[0], corners[3] - corners[0]
    for line in (0.35, 0.5, 0.65):
        bar = [(0.3, line), (0.7, line), (0.7, line + 0.06), (0.3, line + 0.06)]
        _fill(canvas, np.array([origin + x * right + y * down for x, y in bar]), MARKING)
