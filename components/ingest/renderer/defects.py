"""Labelled defects: three change the balls before they are drawn, two are drawn over the finished package."""

import math
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.random import Generator

from ...core.images import Pixels
from .layout import Points, Pose
from .noise import clouds
from .shading import BallLook, band
from .substrate import draw_line, fill_polygon
from .truth import DEFECT_KINDS, Ball, Defect, Point

ROOM = 1.25
"""Half side of the square around a defective ball, in radii of the ball."""
VISIBLE = 6
"""Change of a colour channel, of 255, from which a pixel belongs to a defect."""
GAPS = 0.04
"""Gaps in a defect up to twice this many pitches are closed."""


@dataclass(frozen=True)
class Spoiled:
    """The balls of a package after a defect, if the defect changes balls."""

    looks: tuple[BallLook, ...]
    touched: tuple[Ball, ...]
    """The balls that the defect concerns. A missing ball is included."""


def draw_kind(defect_share: float, rng: Generator) -> str | None:
    """Return a class of defect, one of DEFECT_KINDS, or None for a good package."""
    kind = DEFECT_KINDS[rng.integers(len(DEFECT_KINDS))]
    return kind if rng.random() < defect_share else None


def spoil_balls(kind: str, looks: tuple[BallLook, ...], rng: Generator) -> Spoiled:
    """Return the balls after a defect of class `kind`. Scratches and contamination do not change them."""
    chosen = int(rng.integers(len(looks)))
    look = looks[chosen]
    others = looks[:chosen] + looks[chosen + 1 :]
    if kind == "missing_ball":
        return Spoiled(others, (look.ball,))
    if kind == "deformed_ball":
        worse = replace(look, squeeze=rng.uniform(1.14, 1.25), dent=rng.uniform(0.6, 1.0))
        return Spoiled((*others, worse), (look.ball,))
    if kind == "bridged_balls":
        nearest = min(others, key=lambda other: math.dist(_place(look), _place(other)))
        return Spoiled(looks, (look.ball, nearest.ball))
    return Spoiled(looks, ())


def _place(look: BallLook) -> Point:
    return (look.ball.x_px, look.ball.y_px)


def overlay(kind: str, scene: Pixels, pose: Pose, touched: tuple[Ball, ...], rng: Generator) -> Defect:
    """Draw the parts of a defect that lie over the finished package, and return the defect with its polygon."""
    if kind == "bridged_balls":
        _draw_bridge(scene, touched, rng)
    if kind == "missing_ball":
        _dull_pad(scene, touched[0], rng)
    if kind == "scratch":
        return Defect(kind, _draw_scratch(scene, pose, rng))
    if kind == "contamination":
        return Defect(kind, _draw_stain(scene, pose, rng))
    return Defect(kind, _hull(_squares(touched)))


def changed(good: Pixels, spoiled: Pixels, pitch_px: float) -> Pixels:
    """Return where a defect has changed the scene, H x W: 1 or 0, gaps and holes included."""
    apart = (cv2.absdiff(good, spoiled).max(axis=2) >= VISIBLE).astype(np.uint8)
    side_px = 2 * max(1, round(GAPS * pitch_px)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side_px, side_px))
    contours, _ = cv2.findContours(
        cv2.morphologyEx(apart, cv2.MORPH_CLOSE, kernel), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE
    )
    mask = np.zeros(apart.shape, dtype=np.uint8)
    cv2.drawContours(mask, contours, -1, (1.0,), cv2.FILLED)
    return mask


def _squares(balls: tuple[Ball, ...]) -> Points:
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return np.vstack([[ball.x_px, ball.y_px] + ROOM * ball.radius_px * signs for ball in balls])


def _hull(points: Points) -> tuple[Point, ...]:
    hull = cv2.convexHull(points.astype(np.float32), clockwise=False)[:, 0]
    # With y down, this order is clockwise. OpenCV assumes y up and calls it counter-clockwise.
    return tuple((float(x), float(y)) for x, y in hull)


def _draw_bridge(scene: Pixels, balls: tuple[Ball, ...], rng: Generator) -> None:
    """Draw solder that flowed together between two balls: a waisted neck, shaded like a horizontal cylinder."""
    ends = np.array([[ball.x_px, ball.y_px] for ball in balls])
    radius_px, length_px = balls[0].radius_px, math.dist(ends[0], ends[1])
    window, x_px, y_px = _around(scene, ends, radius_px)
    cosine, sine = (ends[1] - ends[0]) / length_px
    # Distance along the neck from its middle, and across it in units of its half width.
    along_px = np.abs((x_px - ends[0, 0]) * cosine + (y_px - ends[0, 1]) * sine - length_px / 2)
    across_px = np.abs((y_px - ends[0, 1]) * cosine - (x_px - ends[0, 0]) * sine)
    half_px = radius_px * (rng.uniform(0.35, 0.55) + 1.1 * (along_px / length_px) ** 2)
    across = np.asarray(across_px / half_px, dtype=np.float32)
    beyond = (along_px - length_px / 2) / radius_px
    cover = np.clip(half_px - across_px + 0.5, 0, 1) * np.clip((0.65 - beyond) / 0.25, 0, 1)
    grain = clouds(window.shape[1], window.shape[0], radius_px / 30, rng).astype(np.float32) / 128
    metal = (40 + 25 * (1 - np.clip(across, 0, 1)) + 190 * band(across, 0.55, 0.1, 0.2)) * (0.7 + 0.3 * grain)
    grey = np.clip(metal, 0, 255)[..., None]
    window[:] = np.rint(window + (grey - window) * cover[..., None]).astype(np.uint8)


def _dull_pad(scene: Pixels, ball: Ball, rng: Generator) -> None:
    """Mottle a bare pad like residues of flux and solder."""
    window, x_px, y_px = _around(scene, np.array([[ball.x_px, ball.y_px]]), ball.radius_px)
    mottle = clouds(window.shape[1], window.shape[0], ball.radius_px / 40, rng).astype(np.float32)
    inside = np.clip(1.2 - np.hypot(x_px - ball.x_px, y_px - ball.y_px) / ball.radius_px, 0, 0.5) * 2
    dulled = window * (1 - inside * (0.5 - mottle / 400))[..., None]
    window[:] = np.rint(np.clip(dulled, 0, 255)).astype(np.uint8)


def _around(scene: Pixels, points: Points, margin_px: float) -> tuple[Pixels, Points, Points]:
    """Return the part of the scene around points, and the x (1 x W) and y (H x 1) of its pixels."""
    left, top = np.maximum(0, np.floor(points.min(axis=0) - margin_px)).astype(int)
    right, bottom = np.ceil(points.max(axis=0) + margin_px).astype(int)
    window = scene[top : bottom + 1, left : right + 1]
    x_px = left + np.arange(window.shape[1], dtype=np.float64)[None, :]
    y_px = top + np.arange(window.shape[0], dtype=np.float64)[:, None]
    return window, x_px, y_px


def _draw_scratch(scene: Pixels, pose: Pose, rng: Generator) -> tuple[Point, ...]:
    """Draw a thin bright curve over the solder mask, in pieces of different strength."""
    size_px = np.array([pose.body.width_px, pose.body.height_px])
    start = rng.uniform(0.2, 0.8, 2)
    angle = rng.uniform(0, 2 * math.pi)
    bend = rng.uniform(-0.8, 0.8)
    steps = np.linspace(0, rng.uniform(0.25, 0.45), 40)
    headings = angle + bend * steps
    way = start + np.column_stack([np.cos(headings), np.sin(headings)]) * steps[:, None]
    line = pose.to_frame(_kept_inside(way * size_px, pose))
    width_px = 0.05 * pose.body.pitch_px
    for piece in range(len(line) - 1):
        level = rng.uniform(110, 200)
        draw_line(scene, line[piece : piece + 2], width_px * rng.uniform(0.4, 1.0), (level, level, level))
    return _hull(_widened(line, width_px))


def _kept_inside(points: Points, pose: Pose) -> Points:
    margin_px = 0.3 * pose.body.pitch_px
    far_px = np.array([pose.body.width_px, pose.body.height_px]) - margin_px
    return np.clip(points, margin_px, far_px)


def _widened(points: Points, width_px: float) -> Points:
    signs = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    return np.vstack([points + width_px * sign for sign in signs])


def _draw_stain(scene: Pixels, pose: Pose, rng: Generator) -> tuple[Point, ...]:
    """Draw a spot of foreign matter with a ragged edge over the package."""
    size_px = np.array([pose.body.width_px, pose.body.height_px])
    middle = rng.uniform(0.2, 0.8, 2) * size_px
    radius_px = rng.uniform(0.5, 1.1) * pose.body.pitch_px
    turns = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    waves = [rng.uniform(0, 0.25 / n) * np.cos(n * turns + rng.uniform(0, 7)) for n in range(1, 7)]
    ragged = 1 + np.sum(waves, axis=0)
    rim = middle + (radius_px * ragged)[:, None] * np.column_stack([np.cos(turns), np.sin(turns)])
    rim = pose.to_frame(_kept_inside(rim, pose))
    _blend_stain(scene, rim, radius_px, rng)
    return _hull(_widened(rim, 0.1 * radius_px))


def _blend_stain(scene: Pixels, rim: Points, radius_px: float, rng: Generator) -> None:
    left, top = np.floor(rim.min(axis=0) - 2).astype(int)
    right, bottom = np.ceil(rim.max(axis=0) + 3).astype(int)
    window = scene[top:bottom, left:right]
    cover = np.zeros(window.shape[:2], dtype=np.uint8)
    fill_polygon(cover, rim - [left, top], 255)
    soft = cv2.GaussianBlur(cover, (0, 0), max(0.5, 0.03 * radius_px)).astype(np.float32) / 255
    mottle = clouds(window.shape[1], window.shape[0], radius_px / 60, rng).astype(np.float32) / 128
    strength = np.clip(soft * mottle * rng.uniform(0.55, 0.85), 0, 0.95)[..., None]
    red, green, blue = ((120.0, 98.0, 62.0), (165.0, 160.0, 150.0), (38.0, 34.0, 30.0))[rng.integers(3)]
    colour = np.array([red, green, blue], dtype=np.float32) * rng.uniform(0.85, 1.1)
    window[:] = np.rint(window + (colour - window) * strength).astype(np.uint8)
