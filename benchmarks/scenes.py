"""Composed photographs for `benchmarks.outline`: packages on grounds that are hard to tell from them, and no package.

A scene is painted at twice its size and reduced, then lit unevenly, blurred, and given noise and JPEG compression. Its
random numbers depend on its name and number alone. Lengths are shares of the frame's height or of the package's side.
"""

import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import cv2
import numpy as np
from numpy.typing import NDArray

from fabgan.components.core.images import Pixels

from .grounds import GROUNDS, TRAYS, blotches
from .patches import PACKAGES, THINGS

Random = np.random.Generator
Canvas = NDArray[np.float32]
Points = NDArray[np.float64]

WIDTH_PX, HEIGHT_PX = 1200, 900
SCALE = 2
JPEG_QUALITY = 88
SHADE = 0.55
"""Light that is left in a shadow."""


@dataclass(frozen=True, eq=False)
class Scene:
    """A composed photograph."""

    name: str
    image: Pixels
    outline_px: Points | None
    """Corners of the package (4 x 2, clockwise), or None if there is none that a crop could show whole."""
    may_refuse: bool
    """Whether a refusal is right, too: something covers a part of the package."""


@dataclass
class _Painting:
    canvas: Canvas
    corners: Points
    """Of the package, in pixels of the canvas."""
    random: Random


def scenes(repeats: int) -> Iterator[Scene]:
    """Yield every kind of scene `repeats` times."""
    for number in range(repeats):
        for ground in GROUNDS:
            for package in PACKAGES:
                around = [what for what in AROUND if what != "in a pocket" or ground in TRAYS]
                what = around[(number + _seed(ground + package)) % len(around)]
                yield _with_package(f"{package} on {ground}, {what}", number, ground, package, AROUND[what])
            for what, paint in WITHOUT.items():
                if what == "empty pocket" and ground not in TRAYS:
                    continue
                yield _without(f"{what} on {ground}", number, ground, paint)


def _with_package(name: str, number: int, ground: str, package: str, change: "Change") -> Scene:
    random = np.random.default_rng([_seed(name), number])
    patch = PACKAGES[package](random)
    share = 0.9 if change is _filling else random.uniform(0.35, 0.6)
    angle_deg = random.uniform(-3, 3) if change is _filling else random.uniform(-180, 180)
    painting = _Painting(_ground(ground, random), _place(patch.shape, share, angle_deg, random), random)
    if change is not _tweezers:
        change(painting)
    _lay(painting, patch)
    if change is _tweezers:
        change(painting)
    return Scene(name, _photographed(painting), (painting.corners + 0.5) / SCALE - 0.5, change is _tweezers)


def _without(name: str, number: int, ground: str, paint: "Change") -> Scene:
    random = np.random.default_rng([_seed(name), number])
    corners = _place((1, 1), random.uniform(0.3, 0.6), random.uniform(-180, 180), random)
    painting = _Painting(_ground(ground, random), corners, random)
    paint(painting)
    return Scene(name, _photographed(painting), None, True)


def _seed(name: str) -> int:
    return zlib.crc32(name.encode())


def _ground(name: str, random: Random) -> Canvas:
    return GROUNDS[name](HEIGHT_PX * SCALE, WIDTH_PX * SCALE, random)


def _place(shape: tuple[int, ...], share: float, angle_deg: float, random: Random) -> Points:
    """Return corners (4 x 2) of a package whose longer side is `share` of the frame's height, slightly tilted."""
    height, width = np.array(shape[:2]) / max(shape[:2]) * share * HEIGHT_PX * SCALE
    turn = np.deg2rad(angle_deg)
    square = np.array([(-1, -1), (1, -1), (1, 1), (-1, 1)]) * (width / 2, height / 2)
    turned = square @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    free = (np.array([WIDTH_PX, HEIGHT_PX]) * SCALE - np.ptp(turned, axis=0)) / 2 * 0.9
    tilt = 1 + random.normal(0, 4e-6, 2) * turned
    middle = np.array([WIDTH_PX, HEIGHT_PX]) * SCALE / 2 + random.uniform(-1, 1, 2) * np.maximum(free, 0)
    return np.asarray(turned * tilt + middle)


def _lay(painting: _Painting, patch: Canvas) -> None:
    """Paint the patch (H x W x 4, the last being its cover) over the corners."""
    height, width = patch.shape[:2]
    source = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float32) - 0.5
    warp = cv2.getPerspectiveTransform(source, painting.corners.astype(np.float32))
    size = painting.canvas.shape[1::-1]
    laid = cv2.warpPerspective(patch, warp, size, flags=cv2.INTER_AREA, borderValue=(0.0, 0.0, 0.0, 0.0))
    cover = laid[..., 3:]
    painting.canvas = np.asarray(painting.canvas * (1 - cover) + laid[..., :3] * cover, np.float32)


# What lies around a package


def _nothing(painting: _Painting) -> None:
    """Leave the ground as it is."""


def _filling(painting: _Painting) -> None:
    """Leave the ground as it is; the package nearly fills the frame."""


def _shadow(painting: _Painting) -> None:
    """Cast a soft shadow beside the package."""
    side = float(np.hypot(*(painting.corners[1] - painting.corners[0])))
    shift = _direction(painting.random) * side * painting.random.uniform(0.04, 0.1)
    _shade(painting, painting.corners + shift, painting.random.uniform(6, 20))


def _side_wall(painting: _Painting) -> None:
    """Show the walls of a thick package beside its face, as a tilted camera does."""
    shift = _direction(painting.random) * painting.random.uniform(14, 34)
    hull = cv2.convexHull(np.concatenate([painting.corners, painting.corners + shift]).astype(np.float32))
    _fill(painting, np.asarray(hull[:, 0], np.float64), painting.random.uniform(20, 60, 3))


def _pocket(painting: _Painting) -> None:
    """Put the package into a tight pocket of a tray."""
    _dig(painting, 1 + painting.random.uniform(0.06, 0.14))


def _tweezers(painting: _Painting) -> None:
    """Hold tweezers over an edge of the package."""
    first, second = painting.corners[:2]
    _bar(painting, first + (second - first) * painting.random.uniform(0.3, 0.7))


# What is no package


def _sheet(painting: _Painting) -> None:
    """Lay a white sheet of paper."""
    middle = np.array([WIDTH_PX, HEIGHT_PX]) * SCALE / 2
    corners = (painting.corners - painting.corners.mean(axis=0)) * painting.random.uniform(1.0, 1.5) + middle
    _shade(painting, corners + 8, 6)
    _fill(painting, corners, painting.random.uniform(225, 245) * np.ones(3))


def _empty_pocket(painting: _Painting) -> None:
    """Dig a pocket and leave it empty."""
    _dig(painting, 1.0)


def _only_tweezers(painting: _Painting) -> None:
    """Hold tweezers over nothing."""
    _bar(painting, painting.corners.mean(axis=0))


def _hand(painting: _Painting) -> None:
    """Hold fingers into the frame."""
    root = np.array([WIDTH_PX * painting.random.uniform(0.2, 0.8), HEIGHT_PX * 1.1]) * SCALE
    skin = np.array([205, 150, 125]) * painting.random.uniform(0.7, 1.1)
    for finger in range(3):
        tip = painting.corners.mean(axis=0) + (finger - 1) * np.array([170, 40]) * SCALE / 2
        mask = np.zeros(painting.canvas.shape[:2], np.float32)
        cv2.polylines(mask, [np.array([root, tip]).astype(np.int32)], False, (1.0,), 65 * SCALE, cv2.LINE_AA)
        round_ = 0.75 + 0.25 * cv2.GaussianBlur(mask, (0, 0), 40)
        painting.canvas = _mixed(painting.canvas, mask[..., None], round_[..., None] * skin)


def _shadow_alone(painting: _Painting) -> None:
    """Cast the shadow of something rectangular outside the frame."""
    _shade(painting, painting.corners, painting.random.uniform(14, 40))


def _round_thing(painting: _Painting) -> None:
    """Lay a coin."""
    angles = np.linspace(0, 2 * np.pi, 90)
    radius = 0.2 * HEIGHT_PX * SCALE
    circle = painting.corners.mean(axis=0) + radius * np.column_stack([np.cos(angles), np.sin(angles)])
    _fill(painting, circle, np.array([150.0, 110.0, 70.0]))


def _two_packages(painting: _Painting) -> None:
    """Lay two packages side by side."""
    for at in (0.27, 0.73):
        patch = PACKAGES["moulded package"](painting.random)
        painting.corners = _place(patch.shape, 0.35, painting.random.uniform(-30, 30), painting.random)
        painting.corners += np.array([WIDTH_PX * at, HEIGHT_PX / 2]) * SCALE - painting.corners.mean(axis=0)
        _lay(painting, patch)


def _cut_package(painting: _Painting) -> None:
    """Lay a package over the frame's border."""
    painting.corners += np.array([0, HEIGHT_PX * SCALE - painting.corners[:, 1].mean()])
    _lay(painting, PACKAGES["lidded laminate"](painting.random))


def _lay_thing(painting: _Painting, thing: str) -> None:
    patch, random = THINGS[thing](painting.random), painting.random
    painting.corners = _place(patch.shape, random.uniform(0.4, 0.75), random.uniform(-180, 180), random)
    _lay(painting, patch)


Change = Callable[[_Painting], None]
AROUND: dict[str, Change] = {
    "alone": _nothing,
    "in shadow": _shadow,
    "with its side wall": _side_wall,
    "in a pocket": _pocket,
    "filling the frame": _filling,
    "under tweezers": _tweezers,
}
WITHOUT: dict[str, Change] = {
    "nothing": _nothing,
    "white sheet": _sheet,
    "empty pocket": _empty_pocket,
    "tweezers": _only_tweezers,
    "hand": _hand,
    "shadow": _shadow_alone,
    "coin": _round_thing,
    "two packages": _two_packages,
    "cut package": _cut_package,
    **{thing: partial(_lay_thing, thing=thing) for thing in THINGS},
}


def _direction(random: Random) -> Points:
    turn = random.uniform(0, 2 * np.pi)
    return np.array([np.cos(turn), np.sin(turn)])


def _mask(painting: _Painting, corners: Points) -> Canvas:
    mask = np.zeros(painting.canvas.shape[:2], np.float32)
    cv2.fillPoly(mask, [np.round(np.asarray(corners) * 16).astype(np.int32)], (1.0,), shift=4)
    return mask[..., None]


def _mixed(canvas: Canvas, mask: Canvas, colour: object) -> Canvas:
    return np.asarray(canvas * (1 - mask) + np.asarray(colour) * mask, np.float32)


def _fill(painting: _Painting, corners: Points, colour: object) -> None:
    painting.canvas = _mixed(painting.canvas, _mask(painting, corners), colour)


def _shade(painting: _Painting, corners: Points, blur_px: float) -> None:
    soft = cv2.GaussianBlur(_mask(painting, corners), (0, 0), blur_px * SCALE)[..., None]
    painting.canvas = np.asarray(painting.canvas * (1 - (1 - SHADE) * soft), np.float32)


def _dig(painting: _Painting, growth: float) -> None:
    """Dig a pocket around the package: its walls catch the light on one side and are dark on the other."""
    middle = painting.corners.mean(axis=0)
    outer, inner = ((painting.corners - middle) * size + middle for size in (growth * 1.06, growth))
    light = _direction(painting.random)
    for at in range(4):
        following = (at + 1) % 4
        wall = np.array([outer[at], outer[following], inner[following], inner[at]])
        facing = float((wall.mean(axis=0) - middle) @ light) / float(np.hypot(*(wall.mean(axis=0) - middle)))
        painting.canvas = _mixed(painting.canvas, _mask(painting, wall), painting.canvas * (1 - 0.5 * facing))
    painting.canvas = _mixed(painting.canvas, _mask(painting, inner), painting.canvas * 0.8)


def _bar(painting: _Painting, tip: Points) -> None:
    """Paint one leg of steel tweezers from the frame's border to `tip`."""
    border = np.array([painting.random.uniform(0, WIDTH_PX), HEIGHT_PX * painting.random.choice([0, 1])]) * SCALE
    along = (tip - border) / np.hypot(*(tip - border))
    across = np.array([-along[1], along[0]]) * SCALE
    leg = np.array([border - 34 * across, border + 34 * across, tip + 7 * across, tip - 7 * across])
    _fill(painting, leg, painting.random.uniform(130, 190) * np.ones(3))


def _photographed(painting: _Painting) -> Pixels:
    """Reduce, light, blur, add noise, and compress."""
    random = painting.random
    small = cv2.resize(painting.canvas, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
    light = random.uniform(0.85, 1.05) * (1 + 0.12 * blotches(HEIGHT_PX, WIDTH_PX, 3, random))
    blurred = cv2.GaussianBlur(small * light[..., None], (0, 0), random.uniform(0.5, 1.2))
    noisy = np.clip(np.round(blurred + random.normal(0, random.uniform(1, 4), small.shape)), 0, 255).astype(np.uint8)
    _, packed = cv2.imencode(".jpg", noisy[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return np.ascontiguousarray(np.asarray(cv2.imdecode(packed, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])
