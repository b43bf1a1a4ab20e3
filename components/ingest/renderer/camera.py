"""From the scene to the frame: tray, placement of the package, uneven light, defocus, glare and sensor noise.

Scenes and frames are uint8, H x W x 3.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.random import Generator

from ...core.images import Pixels
from .layout import Points, Pose
from .noise import TILE_PX, Floats, clouds, sensor_tile
from .substrate import draw_line, fill_disc, fill_polygon

REFERENCE_SIDE_PX = 3000
BLOCK_PX = 512
SHADOW_SCALE = 8


@dataclass(frozen=True)
class Lighting:
    """The settings of light and lens in one frame. Positions are shares of the frame's sides."""

    gain: tuple[float, float, float]
    centre: tuple[float, float]
    vignetting: float
    tilt: tuple[float, float]
    defocus: float
    """Standard deviation of the blur in pixels of a frame whose shorter side is 3000 px."""
    tray_level: float
    shadow: tuple[float, float]
    """Shift of the package's shadow, as a share of its longer side."""


def draw_lighting(lot: Generator, frame: Generator) -> Lighting:
    """Return the settings of a lot, with the small drift from frame to frame."""
    red, green, blue = lot.uniform(0.95, 1.05) * lot.uniform(0.97, 1.03, 3) * frame.uniform(0.98, 1.02)
    centre = 0.5 + lot.uniform(-0.12, 0.12, 2)
    tilt = lot.uniform(-0.08, 0.08, 2) + frame.uniform(-0.01, 0.01, 2)
    shadow = lot.uniform(-0.012, 0.012, 2)
    return Lighting(
        gain=(float(red), float(green), float(blue)),
        centre=(float(centre[0]), float(centre[1])),
        vignetting=lot.uniform(0.12, 0.28),
        tilt=(float(tilt[0]), float(tilt[1])),
        defocus=lot.uniform(0.7, 1.3) + frame.uniform(0, 0.4),
        tray_level=lot.uniform(24, 36),
        shadow=(float(shadow[0]), float(shadow[1])),
    )


def draw_tray(width_px: int, height_px: int, pose: Pose, lighting: Lighting, rng: Generator) -> Pixels:
    """Return the tray: dark textured plastic, with the pocket and the shadow of the package."""
    scale = min(width_px, height_px) / REFERENCE_SIDE_PX
    fine = clouds(width_px, height_px, 1.2 * scale + 0.3, rng)
    coarse = clouds(width_px, height_px, 30 * scale + 1, rng)
    mottled = cv2.addWeighted(fine, 0.09, coarse, 0.03, lighting.tray_level - 128 * 0.12)
    surface = np.asarray(mottled, dtype=np.uint8)
    _draw_pocket(surface, pose, lighting.tray_level, rng)
    shaded = cv2.multiply(surface, _shadow(width_px, height_px, pose, lighting), scale=1 / 255)
    tones = [cv2.convertScaleAbs(shaded, alpha=tone) for tone in (1.0, 1.0, 1.06)]
    return np.asarray(cv2.merge(tones), dtype=np.uint8)


def _draw_pocket(surface: Pixels, pose: Pose, level: float, rng: Generator) -> None:
    """Draw the rim of the pocket, which is slightly larger than the package."""
    size_px = np.array([pose.body.width_px, pose.body.height_px])
    middle = (size_px - 1) / 2 + rng.uniform(-0.01, 0.01, 2) * size_px.max()
    half = size_px / 2 + rng.uniform(0.035, 0.06) * size_px.max()
    corners = pose.to_frame(middle + half * np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]))
    closed = np.vstack([corners, corners[:1]])
    wall_px = 0.016 * size_px.max()
    # The wall slopes: its foot is dark, and its top edge is bright.
    draw_line(surface, closed, wall_px, round(level * 0.72))
    draw_line(surface, closed + 0.3 * wall_px, wall_px / 3, round(level * 0.95))
    draw_line(surface, closed - 0.4 * wall_px, wall_px / 8, round(level * 1.35))


def _shadow(width_px: int, height_px: int, pose: Pose, lighting: Lighting) -> Pixels:
    """Return the light that reaches the tray, where 255 is all of it. Beside the body it is dark."""
    small = np.full((height_px // SHADOW_SCALE + 1, width_px // SHADOW_SCALE + 1), 255, dtype=np.uint8)
    side_px = max(pose.body.width_px, pose.body.height_px)
    corners = pose.to_frame(pose.body.corners) + np.array(lighting.shadow) * side_px
    fill_polygon(small, corners / SHADOW_SCALE, 120)
    soft = cv2.GaussianBlur(small, (0, 0), max(0.8, 0.015 * side_px / SHADOW_SCALE))
    return np.asarray(cv2.resize(soft, (width_px, height_px), interpolation=cv2.INTER_LINEAR), dtype=np.uint8)


def place_body(scene: Pixels, image: Pixels, pose: Pose) -> None:
    """Draw the image of a body into the scene, antialiased along its outline."""
    corners = pose.to_frame(pose.body.corners)
    left, top = (int(side) for side in np.maximum(0, np.floor(corners.min(axis=0)) - 1))
    right, bottom = (int(side) for side in np.ceil(corners.max(axis=0)) + 2)
    window = scene[top:bottom, left:right]
    matrix = pose.matrix - np.array([[0, 0, left], [0, 0, top]])
    cover = _warp(np.full(image.shape[:2], 255, dtype=np.uint8), matrix, window, cv2.BORDER_CONSTANT)
    body = _warp(image, matrix, window, cv2.BORDER_REPLICATE)
    cover = np.asarray(cv2.merge([cover, cover, cover]), dtype=np.uint8)
    tray = cv2.multiply(window, 255 - cover, scale=1 / 255)
    window[:] = cv2.add(tray, cv2.multiply(body, cover, scale=1 / 255))


def _warp(image: Pixels, matrix: Points, window: Pixels, border: int) -> Pixels:
    size = (window.shape[1], window.shape[0])
    return np.asarray(cv2.warpAffine(image, matrix, size, borderMode=border), dtype=np.uint8)


def scatter_dust(scene: Pixels, rng: Generator) -> None:
    """Draw specks and short fibres on the scene, all much smaller than a ball."""
    height_px, width_px = scene.shape[:2]
    unit_px = min(height_px, width_px) / REFERENCE_SIDE_PX
    for _ in range(int(rng.integers(10, 60))):
        level = rng.uniform(55, 130)
        radius_px = unit_px * rng.uniform(0.8, 3.0)
        x_px, y_px = rng.uniform(0, width_px), rng.uniform(0, height_px)
        fill_disc(scene, (x_px, y_px), radius_px, (level, level, level * 0.95))
    for _ in range(int(rng.integers(0, 4))):
        place = rng.uniform(0.05, 0.95, 2) * [width_px, height_px]
        headings = rng.uniform(0, 2 * math.pi) + np.cumsum(rng.normal(0, 0.3, 14))
        way = np.cumsum(np.column_stack([np.cos(headings), np.sin(headings)]), axis=0)
        draw_line(scene, place + 6 * unit_px * way, 1.6 * unit_px, (85.0, 85.0, 90.0))


def photograph(scene: Pixels, lighting: Lighting, grey: bool, rng: Generator) -> Pixels:
    """Return the camera's frame of a scene: H x W x 3, or H x W if `grey`."""
    scale = min(scene.shape[:2]) / REFERENCE_SIDE_PX
    blurred = cv2.GaussianBlur(scene, (0, 0), max(0.2, lighting.defocus * scale))
    lit = _add_glare(np.asarray(blurred, dtype=np.uint8))
    gain = np.array(lighting.gain, dtype=np.float32)
    if grey:
        lit = np.asarray(cv2.cvtColor(lit, cv2.COLOR_RGB2GRAY), dtype=np.uint8)[..., None]
        gain = gain.mean(keepdims=True)
    x_light, y_light = _light(lit.shape[1], 0, lighting), _light(lit.shape[0], 1, lighting)
    frame = np.empty_like(lit)
    for top in range(0, lit.shape[0], BLOCK_PX):
        for left in range(0, lit.shape[1], BLOCK_PX):
            block = np.s_[top : top + BLOCK_PX, left : left + BLOCK_PX]
            light = y_light[block[0], None] + x_light[None, block[1]]
            frame[block] = _expose(lit[block], light[..., None] * gain, rng)
    return frame[..., 0] if grey else frame


def _light(side_px: int, axis: int, lighting: Lighting) -> Floats:
    """Return the light's dependence on one axis. The light is the sum over both axes, about 1."""
    place = np.linspace(0, 1, side_px) - lighting.centre[axis]
    return (0.5 + lighting.tilt[axis] * place - 2 * lighting.vignetting * place**2).astype(np.float32)


def _add_glare(scene: Pixels) -> Pixels:
    """Spread a small part of the light around bright places, as a lens does."""
    height_px, width_px = scene.shape[:2]
    small = cv2.resize(scene, (max(1, width_px // 8), max(1, height_px // 8)), interpolation=cv2.INTER_AREA)
    spread = cv2.GaussianBlur(small, (0, 0), max(0.5, 0.004 * min(height_px, width_px)))
    glare = cv2.resize(spread, (width_px, height_px), interpolation=cv2.INTER_LINEAR)
    return np.asarray(cv2.addWeighted(scene, 0.97, glare, 0.05, 0), dtype=np.uint8)


def _expose(scene: Pixels, light: Floats, rng: Generator) -> Pixels:
    """Return a block of the frame: scene times light, with noise that grows with the square root of the signal."""
    signal = scene * light
    top, left = rng.integers(0, TILE_PX - BLOCK_PX + 1, size=2)
    noise = sensor_tile()[top : top + signal.shape[0], left : left + signal.shape[1], : signal.shape[2]]
    signal += noise * (0.6 + 0.14 * np.sqrt(signal))
    exposed: Pixels = np.clip(np.rint(signal), 0, 255).astype(np.uint8)
    return exposed
