"""Finding a package's outline and cropping it, on drawn and rendered frames."""

import math
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabgan.components.core.images import to_grey
from fabgan.components.crop_resize.outline import (
    Outline,
    crop_corners,
    find_outline,
    iou,
    straighten,
)
from fabgan.components.crop_resize.outline.background import view_of
from fabgan.components.ingest.renderer import RendererParameters, render_frame
from tests.drawn_packages import (
    BLACK,
    GREEN,
    HEIGHT_PX,
    MARKING,
    TRAY,
    WHITE,
    WIDTH_PX,
    Colour,
    Corners,
    Point,
    draw,
    rectangle,
)

angles = st.floats(-180, 180)
places = st.floats(-50, 700)
lengths = st.floats(20, 300)
margins = st.floats(0, 0.5)


def angle_error_deg(found: float, true: float) -> float:
    return abs((found - true + 45) % 90 - 45)


def outline_of(centre: Point, width_px: float, height_px: float, angle_deg: float) -> Outline:
    return Outline(rectangle(centre, width_px, height_px, angle_deg))


# Finding


@pytest.mark.parametrize("angle_deg", [0.0, 7.5, -33.0, 45.0, 90.0, 152.0])
@pytest.mark.parametrize(("body", "ground"), [(GREEN, TRAY), (BLACK, TRAY), (BLACK, WHITE), (WHITE, GREEN)])
def test_drawn_package_is_found_to_a_part_of_a_pixel(angle_deg: float, body: Colour, ground: Colour) -> None:
    true = rectangle((331.3, 236.8), 240, 150, angle_deg)
    outline = find_outline(draw(true, body=body, ground=ground))
    assert iou(true, outline.corners_px) > 0.985
    assert angle_error_deg(outline.angle_deg, angle_deg) < 0.2
    assert sorted((outline.width_px, outline.height_px)) == pytest.approx([150, 240], abs=1.5)


def test_grey_frame_gives_the_outline_of_the_colour_frame() -> None:
    frame = draw(rectangle((300, 250), 200, 160, 20))
    assert iou(find_outline(to_grey(frame)).corners_px, find_outline(frame).corners_px) > 0.99


def test_stretched_package_is_found_as_a_parallelogram() -> None:
    true = np.array(rectangle((300, 180), 300, 110, 35)) * (1.0, 1.3)
    assert iou(true, find_outline(draw(_corners(true), body=BLACK, ground=WHITE)).corners_px) > 0.98


def test_flanks_of_a_moulded_package_are_left_out() -> None:
    outer, face = rectangle((320, 240), 320, 120, 12), rectangle((320, 240), 308, 108, 12)
    frame = draw(outer, body=(60, 60, 66), ground=WHITE, noise=0)
    cv2.fillConvexPoly(frame, np.round(face).astype(np.int32), (95, 95, 100), cv2.LINE_AA)
    found = find_outline(cv2.GaussianBlur(frame, (0, 0), 0.8).astype(np.uint8)).corners_px
    assert iou(face, found) > 0.93 > iou(face, outer)
    assert iou(found, outer) < 0.96


@pytest.mark.parametrize("rim", [(38, 92, 55), (112, 84, 52), (60, 60, 66)])
@pytest.mark.parametrize("inner", [(168, 168, 165), (52, 52, 56)])
@pytest.mark.parametrize("ground", [WHITE, (165, 120, 80)])
@pytest.mark.parametrize("rim_px", [8, 14, 26])
def test_plain_rim_of_a_laminate_is_kept(rim: Colour, inner: Colour, ground: Colour, rim_px: int) -> None:
    """Around a lid or a mould cap, however wide."""
    outer, lid = (rectangle((320, 240), 260 - 2 * px, 240 - 2 * px, 12) for px in (0, rim_px))
    frame = draw(outer, body=rim, ground=ground, noise=0)
    cv2.fillConvexPoly(frame, np.round(lid).astype(np.int32), inner, cv2.LINE_AA)
    cv2.putText(frame, "X1234", (250, 250), cv2.FONT_HERSHEY_SIMPLEX, 1.5, MARKING, 4, cv2.LINE_AA)
    found = find_outline(cv2.GaussianBlur(frame, (0, 0), 0.8).astype(np.uint8)).corners_px
    assert iou(outer, found) > 0.98


@pytest.mark.parametrize("shift", [(8, 6), (-7, 8)])
def test_plain_rim_that_is_hard_to_tell_from_its_shadow_is_kept(shift: Point) -> None:
    """The shadowed ground is as dark as the rim; their tints differ."""
    outer, lid = (rectangle((320, 240), 240 - 2 * px, 220 - 2 * px, 12) for px in (0, 14))
    lit = draw(ground=(46, 118, 96), noise=0).astype(np.float32)
    shadow = np.zeros(lit.shape[:2], np.float32)
    cv2.fillConvexPoly(shadow, np.round(np.array(outer) + shift).astype(np.int32), 1.0)
    frame = (lit * (1 - 0.45 * cv2.GaussianBlur(shadow, (0, 0), 8))[..., None]).astype(np.uint8)
    cv2.fillConvexPoly(frame, np.round(outer).astype(np.int32), (30, 68, 60), cv2.LINE_AA)
    cv2.fillConvexPoly(frame, np.round(lid).astype(np.int32), (168, 168, 165), cv2.LINE_AA)
    cv2.putText(frame, "X1234", (250, 250), cv2.FONT_HERSHEY_SIMPLEX, 1.5, MARKING, 4, cv2.LINE_AA)
    found = find_outline(cv2.GaussianBlur(frame, (0, 0), 0.8).astype(np.uint8)).corners_px
    assert iou(outer, found) > 0.96


def test_package_with_a_bright_marking_is_found_on_a_ground_as_dark() -> None:
    true = rectangle((320, 240), 240, 220, 9)
    frame = draw(true, body=(52, 52, 56), ground=(36, 36, 40))
    cv2.putText(frame, "X1234", (250, 250), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (220, 220, 215), 5, cv2.LINE_AA)
    assert iou(true, find_outline(frame).corners_px) > 0.97


@pytest.mark.parametrize("ground", [WHITE, (140, 143, 148)])
def test_package_that_nearly_fills_the_frame_is_found(ground: Colour) -> None:
    true = rectangle((320, 240), 460, 460, 1)
    assert iou(true, find_outline(draw(true, body=BLACK, ground=ground)).corners_px) > 0.98


@pytest.mark.parametrize("grey", [False, True])
def test_rendered_packages_are_found(grey: bool) -> None:
    parameters = RendererParameters(
        frame_width_px=1000,
        frame_height_px=750,
        products=12,
        frames_per_lot=1,
        min_balls_per_side=5,
        max_balls_per_side=24,
        max_angle_deg=180,
        min_body_share=0.35,
        max_body_share=0.66,
        defect_share=0.5,
        grey=grey,
    )
    for index in range(6):
        frame = render_frame(parameters, 5, index)
        outline = find_outline(frame.image)
        assert iou(frame.truth.outline_px, outline.corners_px) > 0.98, index
        assert angle_error_deg(outline.angle_deg, frame.truth.angle_deg) < 0.3, index


def test_small_speck_beside_the_package_does_no_harm() -> None:
    true = rectangle((350, 250), 220, 160, 15)
    speck = rectangle((60, 60), 24, 16, 0)
    assert iou(true, find_outline(draw(true, speck)).corners_px) > 0.985


# Outlines and crops


@given(angle_deg=angles, width_px=lengths, height_px=lengths)
def test_outline_tells_its_angle_and_lengths(angle_deg: float, width_px: float, height_px: float) -> None:
    outline = outline_of((300, 200), width_px, height_px, angle_deg)
    assert -45 < outline.angle_deg <= 45
    assert angle_error_deg(outline.angle_deg, angle_deg) < 1e-6
    assert (outline.width_px, outline.height_px) == pytest.approx((width_px, height_px))


@given(x=places, y=places, angle_deg=angles, width_px=lengths, height_px=lengths, margin_share=margins)
def test_crop_is_a_square_around_the_package_of_its_longer_side_and_margin(
    x: float, y: float, angle_deg: float, width_px: float, height_px: float, margin_share: float
) -> None:
    outline = outline_of((x, y), width_px, height_px, angle_deg)
    corners = np.array(crop_corners(outline, margin_share))
    sides_px = np.hypot(*(np.roll(corners, -1, axis=0) - corners).T)
    size_px = math.ceil(round(max(width_px, height_px) * (1 + 2 * margin_share), 6))
    assert sides_px == pytest.approx([size_px] * 4, abs=1.0)
    assert corners.mean(axis=0) == pytest.approx((x, y), abs=1e-6)
    inside = cv2.convexHull(corners.astype(np.float32))
    assert all(cv2.pointPolygonTest(inside, corner, True) > -1e-3 for corner in outline.corners_px)


@given(
    x=st.floats(200, 440),
    y=st.floats(200, 280),
    angle_deg=angles,
    width_px=st.floats(60, 200),
    height_px=st.floats(60, 200),
    margin_share=margins,
)
@settings(max_examples=40, deadline=None)
def test_straightened_pixels_are_those_between_the_crops_corners(
    x: float, y: float, angle_deg: float, width_px: float, height_px: float, margin_share: float
) -> None:
    """A frame whose value is a ramp in x tells each crop pixel's place in the frame."""
    outline = outline_of((x, y), width_px, height_px, angle_deg)
    ramp = np.tile(np.linspace(0, 255, WIDTH_PX), (HEIGHT_PX, 1)).round().astype(np.uint8)
    crop = straighten(ramp, outline, margin_share)
    size_px = crop.shape[0]
    assert crop.shape == (size_px, size_px)
    top_left, top_right, _, bottom_left = np.array(crop_corners(outline, margin_share))
    shares = (np.arange(size_px) + 0.5) / size_px
    xs = top_left[0] + shares[None, :] * (top_right - top_left)[0] + shares[:, None] * (bottom_left - top_left)[0]
    expected = np.clip(xs, 0, WIDTH_PX - 1) * 255 / (WIDTH_PX - 1)
    assert np.abs(crop - expected).max() < 2


@pytest.mark.parametrize(("width_px", "height_px"), [(200, 120), (120, 200)])
@pytest.mark.parametrize("angle_deg", [0.0, 30.0, -75.0])
def test_straightened_package_lies_upright_centred_long_side_across(
    width_px: float, height_px: float, angle_deg: float
) -> None:
    corners = rectangle((320, 240), width_px, height_px, angle_deg)
    crop = straighten(draw(corners, noise=0), Outline(corners), 0.1)
    assert crop.shape == (240, 240, 3)
    rows, columns = np.nonzero(crop[..., 1] > 65)
    assert (columns.min(), columns.max()) == pytest.approx((20, 219), abs=1.1)
    assert (rows.min(), rows.max()) == pytest.approx((60, 179), abs=1.1)


def test_upright_crop_at_whole_pixels_changes_no_pixel() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (HEIGHT_PX, WIDTH_PX, 3)).astype(np.uint8)
    outline = Outline(((99.5, 49.5), (299.5, 49.5), (299.5, 249.5), (99.5, 249.5)))
    assert np.array_equal(straighten(frame, outline, 0), frame[50:250, 100:300])


def test_crop_repeats_the_border_outside_the_frame() -> None:
    frame = np.full((HEIGHT_PX, WIDTH_PX), 77, np.uint8)
    assert (straighten(frame, outline_of((5, 5), 100, 80, 10), 0.2) == 77).all()


@pytest.mark.parametrize("margin_share", [-0.1, math.nan, math.inf])
def test_impossible_margin_is_refused(margin_share: float) -> None:
    outline = outline_of((300, 200), 100, 80, 0)
    with pytest.raises(ValueError, match="margin_share"):
        crop_corners(outline, margin_share)
    with pytest.raises(ValueError, match="margin_share"):
        straighten(np.zeros((9, 9), np.uint8), outline, margin_share)


def test_outline_cannot_be_changed() -> None:
    outline = outline_of((300, 200), 100, 80, 0)
    assert replace(outline) == outline
    with pytest.raises(AttributeError):
        outline.corners_px = outline.corners_px  # type: ignore[misc]


# Intersection over union


@given(x=places, y=places, angle_deg=angles, width_px=lengths, height_px=lengths)
@settings(max_examples=25, deadline=None)
def test_iou_of_a_polygon_with_itself_is_one(
    x: float, y: float, angle_deg: float, width_px: float, height_px: float
) -> None:
    corners = rectangle((x, y), width_px, height_px, angle_deg)
    assert iou(corners, corners) == 1
    assert iou(corners, corners[::-1]) == 1


@given(shift=st.floats(0, 300), height_px=lengths)
@settings(max_examples=25, deadline=None)
def test_iou_of_shifted_rectangles_is_the_known_ratio(shift: float, height_px: float) -> None:
    first, second = rectangle((0, 0), 200, height_px, 0), rectangle((shift, 0), 200, height_px, 0)
    expected = max(0.0, 200 - shift) / (200 + min(shift, 200))
    assert iou(first, second) == pytest.approx(expected, abs=0.003)
    assert iou(first, second) == iou(second, first)


def test_iou_follows_a_polygon_that_is_not_convex() -> None:
    square = ((0, 0), (2, 0), (2, 2), (0, 2))
    ell = ((0, 0), (2, 0), (2, 1), (1, 1), (1, 2), (0, 2))
    assert iou(square, ell) == pytest.approx(0.75, abs=0.002)


def test_iou_without_any_area_is_not_a_number_out_of_range() -> None:
    assert 0 <= iou(((1, 1), (1, 1), (1, 1)), ((2, 2), (2, 2), (2, 2))) <= 1


def test_iou_needs_three_corners() -> None:
    with pytest.raises(ValueError, match="three corners"):
        iou(((0, 0), (1, 1)), ((0, 0), (1, 0), (1, 1)))


def _corners(points: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Corners:
    a, b, c, d = ((float(x), float(y)) for x, y in points)
    return a, b, c, d


@pytest.mark.parametrize("seed", range(3))
def test_the_background_does_not_depend_on_the_order_of_sums(seed: int) -> None:
    """Processors add up in different orders. A mirrored photograph has its cells in another order, too."""
    rows, columns = np.mgrid[0:481, 0:601]  # so that both are read at the same cells
    photograph = (120 + columns / 30 - rows / 32)[..., None] + np.random.default_rng(seed).normal(0, 3, (481, 601, 3))
    photograph[150:330, 200:400] = 30
    work = photograph.clip(0, 255).astype(np.uint8)
    mirrored = view_of(np.ascontiguousarray(work[:, ::-1]))
    assert np.abs(view_of(work).ground - mirrored.ground[:, ::-1]).max() < 1e-6
