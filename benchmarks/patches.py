"""Packages as seen from above, for composed photographs.

A patch is float32, H x W x 4: red, green and blue of 0 to 255, and the cover of 0 to 1. The package's body, without its
leads, fills the patch.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Random = np.random.Generator
Patch = NDArray[np.float32]
SIDE = 900
BLACK_MOULD, BRIGHT = (52, 52, 56), (205, 205, 200)
LAMINATES = ((38, 92, 55), (112, 84, 52), (30, 70, 62), (88, 104, 52))


def _body(height: int, width: int, colour: object, random: Random, grain: float) -> Patch:
    patch = np.ones((height, width, 4), np.float32)
    patch[..., :3] = np.asarray(colour) + random.normal(0, grain, (height, width, 1))
    return patch


def _box(patch: Patch, share: float, colour: object, radius_share: float = 0.03) -> None:
    """Fill a box with rounded corners around the middle; it leaves `share` of the shorter side free all around."""
    height, width = patch.shape[:2]
    inset, radius = round(share * min(height, width)), round(radius_share * min(height, width))
    mask = np.zeros((height, width), np.uint8)
    mask[inset + radius : height - inset - radius, inset + radius : width - inset - radius] = 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * radius + 1, 2 * radius + 1))
    inside = np.asarray(cv2.dilate(mask, kernel)) > 0
    patch[inside, :3] = np.asarray(colour) + (patch[inside, :3] - patch[inside, :3].mean(axis=0))


def _write(patch: Patch, lines: int, colour: tuple[int, int, int], random: Random) -> None:
    height, width = patch.shape[:2]
    ink = np.zeros((height, width), np.uint8)
    size = height / 260 if height < width else height / 420
    for line in range(lines):
        text = "".join(random.choice(list("ABCDEFGHKLMNPRSTUVXYZ0123456789"), 9))
        place = (round(width * 0.2), round(height * (0.4 + 0.28 * line / max(lines - 1, 1))))
        cv2.putText(ink, text, place, cv2.FONT_HERSHEY_SIMPLEX, size, 255, max(2, round(size * 2)), cv2.LINE_AA)
    cv2.circle(ink, (round(height * 0.17), round(height * 0.83)), round(height * 0.04), 255, -1, cv2.LINE_AA)
    cover = ink[..., None] / 255
    patch[..., :3] = patch[..., :3] * (1 - cover) + np.array(colour) * cover


def _moulded(random: Random) -> Patch:
    """Return a square moulded package with a marking."""
    patch = _body(SIDE, SIDE, BLACK_MOULD, random, 4)
    _write(patch, 3, BRIGHT, random)
    return patch


def _dual_in_line(random: Random) -> Patch:
    """Return the body of a moulded package with sloping flanks, which are darker than its face."""
    patch = _body(SIDE // 3, SIDE, (66, 66, 70), random, 4)
    _box(patch, random.uniform(0.05, 0.07), (112, 112, 116), 0.01)
    _write(patch, 2, BRIGHT, random)
    return patch


def _lidded(random: Random) -> Patch:
    """Return a laminate with a plain rim and a metal lid."""
    patch = _body(SIDE, round(SIDE * random.uniform(0.8, 1)), random.choice(LAMINATES), random, 3)
    _box(patch, random.uniform(0.03, 0.12), np.array((168, 168, 165)) * random.uniform(0.75, 1.15))
    _write(patch, 4, (95, 95, 95), random)
    return patch


def _landed(random: Random) -> Patch:
    """Return the underside of a laminate: a plain rim, gold lands, and small parts in the middle."""
    patch = _body(SIDE, SIDE, random.choice(LAMINATES), random, 3)
    inset, pitch = round(random.uniform(0.03, 0.08) * SIDE), 24
    for y in range(inset, SIDE - inset, pitch):
        for x in range(inset, SIDE - inset, pitch):
            if max(abs(y - SIDE / 2), abs(x - SIDE / 2)) > SIDE * 0.17:
                patch[y : y + 15, x : x + 15, :3] = (205, 175, 105)
    for _ in range(14):
        y, x = random.integers(round(SIDE * 0.36), round(SIDE * 0.6), 2)
        patch[y : y + 22, x : x + 40, :3] = (150, 140, 125)
    return patch


def _capped(random: Random) -> Patch:
    """Return a laminate with a plain rim around a black mould cap."""
    patch = _body(SIDE, SIDE, random.choice(LAMINATES), random, 3)
    _box(patch, random.uniform(0.03, 0.1), BLACK_MOULD, 0.01)
    _write(patch, 3, BRIGHT, random)
    return patch


# What is no package


def _side_by_side(random: Random) -> Patch:
    """Return two packages, and the ground between them, which they shade a little."""
    package = PACKAGES[str(random.choice(sorted(PACKAGES)))]
    first = package(random)
    gap = np.zeros((len(first), round(random.uniform(0.04, 0.08) * len(first)), 4), np.float32)
    gap[..., 3] = random.uniform(0, 0.4)
    return np.concatenate([first, gap, first[::-1, ::-1]], axis=1)


def _wire_frame(random: Random) -> Patch:
    """Return nested frames of wire with only the ground in them."""
    patch, wire = np.zeros((SIDE, SIDE, 4), np.float32), (60.0, 60.0, 65.0, 1.0)
    for inset in np.linspace(14, random.uniform(60, 100), 3):
        low, high = round(inset), SIDE - 1 - round(inset)
        cv2.rectangle(patch, (low, low), (high, high), wire, 16, cv2.LINE_AA)
    return patch


def _ruler(random: Random) -> Patch:
    patch = _body(SIDE // 7, SIDE, (215, 205, 150), random, 2)
    for place in range(10, SIDE - 10, 11):
        patch[: 46 if place % 110 == 10 else 24, place : place + 3, :3] = 20
    return patch


PACKAGES: dict[str, Callable[[Random], Patch]] = {
    "moulded package": _moulded,
    "dual in-line package": _dual_in_line,
    "lidded laminate": _lidded,
    "landed laminate": _landed,
    "capped laminate": _capped,
}
THINGS: dict[str, Callable[[Random], Patch]] = {
    "packages side by side": _side_by_side,
    "wire frame": _wire_frame,
    "ruler": _ruler,
}
"""What is no package, and fills the patch. Its cover leaves the ground between its parts free."""
