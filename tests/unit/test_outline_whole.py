"""No crop may lose a part of a package, nor show the tray instead of it."""

import cv2
import numpy as np
import pytest

from fabgan.components.core.errors import UnusableImageError
from fabgan.components.core.images import Pixels
from fabgan.components.crop_resize.outline import find_outline, iou
from fabgan.components.crop_resize.outline.background import View, view_of
from fabgan.components.crop_resize.outline.body import whole_body
from fabgan.components.crop_resize.outline.doubt import refuse_part
from fabgan.components.crop_resize.outline.sides import refine_sides
from tests.drawn_packages import BLACK, GREEN, WHITE, Colour, Corners, Points, draw, rectangle


def fill(frame: Pixels, corners: Corners | Points, colour: Colour) -> None:
    cv2.fillConvexPoly(frame, np.round(np.array(corners) * 16).astype(np.int32), colour, cv2.LINE_AA, 4)


def photographed(frame: Pixels, noise: float) -> Pixels:
    grain = np.random.default_rng(1).normal(0, noise, frame.shape)
    return np.clip(cv2.GaussianBlur(frame, (0, 0), 0.8) + grain, 0, 255).astype(np.uint8)


def test_package_is_not_cut_at_the_end_of_its_marking() -> None:
    """Only the marking differs much from the ground, but the sides go on beyond it just as they run along it."""
    frame, bright = np.full((480, 640, 3), (120, 120, 122), np.uint8), (235, 235, 235)
    fill(frame, rectangle((320, 240), 440, 120, 0), (98, 97, 104))
    fill(frame, rectangle((112, 240), 24, 120, 0), bright)
    fill(frame, rectangle((232, 240), 240, 24, 0), bright)
    fill(frame, rectangle((357, 240), 14, 96, 0), bright)
    with pytest.raises(UnusableImageError, match="goes on beyond its corner"):
        find_outline(photographed(frame, noise=6))


@pytest.mark.parametrize("angle_deg", [0.0, 24.0])
@pytest.mark.parametrize("cut", range(4))
def test_part_of_a_package_is_refused_whichever_side_cuts_it(angle_deg: float, cut: int) -> None:
    corners = np.array(rectangle((320, 240), 260, 200, angle_deg))
    view = view_of(draw(rectangle((320, 240), 260, 200, angle_deg)))
    refuse_part(view, corners)
    part = corners.copy()
    for at, towards in ((cut, cut - 1), ((cut + 1) % 4, (cut + 2) % 4)):
        part[at] = 0.75 * corners[at] + 0.25 * corners[towards]
    with pytest.raises(UnusableImageError, match="goes on beyond its corner"):
        refuse_part(view, part)


def test_wall_of_a_tray_is_no_rim_of_the_package() -> None:
    """The ground's colour lies between those of the walls and of the floors, because both are seen a lot."""
    frame = np.full((480, 640, 3), 72, np.uint8)
    fill(frame, rectangle((320, 240), 220, 190, 0), (118, 118, 118))
    fill(frame, rectangle((320, 240), 180, 150, 0), (72, 72, 72))
    package = rectangle((320, 240), 160, 130, 0)
    fill(frame, package, GREEN)
    lab = view_of(photographed(frame, noise=2)).lab
    ground = np.full_like(lab, (40.3, 0, 0))
    body, _ = whole_body(View(lab, ground, lab - ground), np.array(package))
    assert iou(package, body) > 0.98


@pytest.mark.parametrize("gap_px", [2, 10])
@pytest.mark.parametrize(
    ("ground", "rim", "inner"),
    [
        ((45, 115, 85), (40, 92, 52), (50, 50, 55)),
        ((45, 115, 85), (45, 100, 60), (50, 50, 55)),
        ((150, 105, 70), (110, 78, 48), (140, 140, 140)),
    ],
    ids=["green on green", "nearly the same green", "brown on wood"],
)
def test_rim_of_the_grounds_colour_is_kept_where_a_package_nearly_fills_the_frame(
    ground: Colour, rim: Colour, inner: Colour, gap_px: int
) -> None:
    """The rim lies along borders of the frame, so the background that is read there is half of it rim."""
    frame = np.full((480, 640, 3), ground, np.float32) + np.linspace(-20, 20, 480, dtype=np.float32)[:, None, None]
    top, bottom = 50 - gap_px, 480 - gap_px
    frame[top:bottom, 120:520] = rim
    frame[top + 35 : bottom - 35, 155:485] = inner
    frame[200:210, 200:440] = BLACK
    found = find_outline(photographed(frame.astype(np.uint8), noise=2)).corners_px
    assert iou([(119.5, top - 0.5), (519.5, top - 0.5), (519.5, bottom - 0.5), (119.5, bottom - 0.5)], found) > 0.98


@pytest.mark.parametrize("room_px", [30, 55])
@pytest.mark.parametrize("line_px", [1, 2])
def test_faint_line_around_a_package_is_no_rim_of_it(line_px: int, room_px: int) -> None:
    ground, line = (60, 120, 80), (90, 130, 95)
    package = (200, 120, 440, 360)
    outer = [edge + room_px * way for edge, way in zip(package, (-1, -1, 1, 1), strict=True)]
    frame = np.full((480, 640, 3), ground, np.uint8)
    cv2.rectangle(frame, outer[:2], outer[2:], line, line_px)
    cv2.rectangle(frame, package[:2], package[2:], (50, 50, 55), cv2.FILLED)
    cv2.putText(frame, "X1234", (230, 250), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (210, 210, 205), 4, cv2.LINE_AA)
    left, top, right, bottom = package
    corners = [
        (left - 0.5, top - 0.5),
        (right + 0.5, top - 0.5),
        (right + 0.5, bottom + 0.5),
        (left - 0.5, bottom + 0.5),
    ]
    assert iou(corners, find_outline(photographed(frame, noise=2)).corners_px) > 0.97


FAINT = [((128, 130, 134), (114, 115, 120)), ((60, 120, 95), (74, 134, 107)), ((180, 182, 186), (164, 165, 170))]


def with_faint_rim(ground: Colour, rim: Colour, inner: Colour, corners: Corners) -> Pixels:
    frame = np.full((480, 640, 3), ground, np.uint8)
    fill(frame, corners, rim)
    middle = np.mean(corners, axis=0)
    lid = middle + 0.84 * (np.array(corners) - middle)
    cv2.fillConvexPoly(frame, np.round(lid * 16).astype(np.int32), inner, cv2.LINE_AA, 4)
    cv2.putText(frame, "X1234", (250, 250), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (230, 230, 225), 4, cv2.LINE_AA)
    return frame


@pytest.mark.parametrize("inner", [(40, 40, 44), (205, 175, 105)])
@pytest.mark.parametrize(("ground", "rim"), FAINT)
def test_faint_rim_around_a_lid_is_kept(ground: Colour, rim: Colour, inner: Colour) -> None:
    corners = rectangle((320, 240), 260, 250, 13)
    found = find_outline(photographed(with_faint_rim(ground, rim, inner, corners), noise=1.5)).corners_px
    assert iou(corners, found) > 0.98


@pytest.mark.parametrize(("ground", "rim"), FAINT[1:])
def test_faint_rim_is_kept_beside_the_shadow_of_its_package(ground: Colour, rim: Colour) -> None:
    """From the shadow, it looks like the floor of a pocket behind a dark wall."""
    corners = rectangle((320, 240), 260, 250, 13)
    shadow, package = (np.zeros((480, 640, 3), np.uint8) for _ in range(2))
    fill(shadow, rectangle((325, 252), 260, 250, 13), WHITE)
    fill(package, corners, WHITE)
    left = 1 - 0.35 / 250 * np.where(package > 0, 0, cv2.GaussianBlur(shadow, (0, 0), 4))
    shaded = (with_faint_rim(ground, rim, (40, 40, 44), corners) * left).astype(np.uint8)
    assert iou(corners, find_outline(photographed(shaded, noise=1.5)).corners_px) > 0.98


@pytest.mark.parametrize("turn", range(4))
def test_rim_is_kept_beside_walls_that_are_seen_on_two_sides(turn: int) -> None:
    """The walls make the rim look otherwise on two sides, while all along the lands inside it there is one colour."""
    frame, package = np.full((480, 640, 3), 205, np.uint8), rectangle((320, 240), 260, 260, 18)
    beside = np.roll(np.array(package), turn, axis=0)
    wall = 5 * (beside[0] - beside[2]) / np.hypot(*(beside[0] - beside[2]))
    for share in (1, 0.5):
        fill(frame, np.array(package) + share * wall, (20, 20, 24))
    fill(frame, package, (100, 130, 65))
    fill(frame, rectangle((320, 240), 242, 242, 18), (205, 180, 105))
    fill(frame, rectangle((320, 240), 90, 90, 18), (100, 130, 65))
    view = view_of(photographed(frame, noise=2))
    body, _ = whole_body(view, refine_sides(view.residual, np.array(package)))
    assert iou(package, body) > 0.95


def test_a_package_in_a_wide_pocket_is_found_and_not_the_pocket() -> None:
    """Of the walls, two catch the light. All have the tint of the tray."""
    frame, package = np.full((480, 640, 3), (124, 127, 130), np.uint8), rectangle((320, 240), 200, 200, 40)
    outer, inner = (np.array(rectangle((320, 240), side, side, 40)) for side in (252, 236))
    for at, light in enumerate((174, 82, 76, 180)):
        after = (at + 1) % 4
        fill(frame, np.array([outer[at], outer[after], inner[after], inner[at]]), (light, light + 3, light + 6))
    fill(frame, inner, (99, 102, 104))
    fill(frame, package, (45, 45, 50))
    cv2.putText(frame, "X1234", (270, 250), cv2.FONT_HERSHEY_SIMPLEX, 1.2, (200, 200, 195), 3, cv2.LINE_AA)
    assert iou(package, find_outline(photographed(frame, noise=2)).corners_px) > 0.97
