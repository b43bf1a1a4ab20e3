"""Packages that a tilted camera shows: their outline is a quadrilateral, and a homography straightens them."""

import cv2
import numpy as np
import pytest

from benchmarks.tilt import tilted, tilted_points
from fabgan.components.core.images import Pixels
from fabgan.components.crop_resize.outline import Outline, crop_corners, find_outline, iou, straighten, straighten_mask
from fabgan.components.crop_resize.outline.geometry import keystone_deg
from tests.drawn_packages import HEIGHT_PX, TRAY, WHITE, WIDTH_PX, Corners, draw, rectangle

TRAPEZIUM = ((180.0, 120.0), (450.0, 132.0), (468.0, 372.0), (164.0, 360.0))


def as_corners(points: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Corners:
    a, b, c, d = ((float(x), float(y)) for x, y in points)
    return a, b, c, d


def laminate(corners: Corners, rim_share: float) -> Pixels:
    """Return a frame of a laminate with a bright lid that leaves a rim of it free, on a mat of nearly its colour."""
    frame = draw(corners, body=(30, 68, 60), ground=(46, 118, 96), noise=0)
    unit = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], np.float32)
    warp = cv2.getPerspectiveTransform(unit, np.array(corners, np.float32))
    inner = rim_share + (1 - 2 * rim_share) * unit
    lid = cv2.perspectiveTransform(inner[None], warp)[0]
    cv2.fillConvexPoly(frame, np.round(lid).astype(np.int32), (168, 168, 165), cv2.LINE_AA)
    cv2.putText(frame, "X1234", (250, 250), cv2.FONT_HERSHEY_SIMPLEX, 1.5, (90, 90, 90), 4, cv2.LINE_AA)
    return np.asarray(cv2.GaussianBlur(frame, (0, 0), 0.8), np.uint8)


def test_strongly_tilted_package_is_found_as_a_quadrilateral() -> None:
    outline = find_outline(draw(TRAPEZIUM, ground=WHITE))
    assert outline.is_tilted
    assert iou(TRAPEZIUM, outline.corners_px) > 0.985


@pytest.mark.parametrize("ground", [WHITE, TRAY])
@pytest.mark.parametrize("axis_deg", [0.0, 65.0, 200.0])
@pytest.mark.parametrize("tilt_deg", [3.0, 6.0, 10.0])
def test_tilt_is_found_and_taken_out(tilt_deg: float, axis_deg: float, ground: tuple[int, int, int]) -> None:
    straight = np.array(rectangle((320, 240), 300, 250, 25))
    true = as_corners(tilted_points(straight, (HEIGHT_PX, WIDTH_PX), tilt_deg, axis_deg))
    outline = find_outline(draw(true, ground=ground))
    assert outline.keystone_deg == pytest.approx(keystone_deg(np.array(true)), abs=0.25)
    assert iou(true, outline.corners_px) > 0.985
    crop = straighten(draw(true, ground=(255, 0, 255), noise=0), outline, 0.05)
    is_ground = (crop[..., 0] > 128) & (crop[..., 1] < 40)
    rows, columns = np.nonzero(~is_ground)
    around = cv2.boxPoints(cv2.minAreaRect(np.column_stack([columns, rows]).astype(np.float32)))
    assert (~is_ground).sum() / cv2.contourArea(around) > 0.985  # a rectangle fills the box around it
    assert abs(around - np.round(around)).max() < 1


def test_package_seen_from_straight_above_keeps_its_parallelogram() -> None:
    """A quadrilateral that fits better by the noise alone would change every crop."""
    for seed in range(8):
        true = rectangle((320, 240), 90, 70, 11 * seed)
        outline = find_outline(draw(true, noise=6.0))
        assert outline.keystone_deg < 0.1
        assert not outline.is_tilted


@pytest.mark.parametrize("rim_share", [0.04, 0.08])
@pytest.mark.parametrize("tilt_deg", [4.0, 9.0, 14.0])
def test_rim_of_a_tilted_laminate_is_kept(tilt_deg: float, rim_share: float) -> None:
    straight = np.array(rectangle((320, 240), 280, 260, 12))
    true = as_corners(tilted_points(straight, (HEIGHT_PX, WIDTH_PX), tilt_deg, 30))
    assert iou(true, find_outline(laminate(true, rim_share)).corners_px) > 0.99


def test_straightened_pixels_of_a_tilted_package_lie_between_the_crops_corners() -> None:
    outline = Outline(TRAPEZIUM)
    ramp = np.tile(np.linspace(0, 255, WIDTH_PX), (HEIGHT_PX, 1)).round().astype(np.uint8)
    crop = straighten(ramp, outline, 0.1)
    xs = np.array(crop_corners(outline, 0.1))[:, 0] * 255 / (WIDTH_PX - 1)
    found = crop[[0, 0, -1, -1], [0, -1, -1, 0]]
    assert found == pytest.approx(xs, abs=2)


def test_mask_of_a_tilted_package_is_straightened_as_its_photograph_is() -> None:
    outline = Outline(TRAPEZIUM)
    mask = np.zeros((HEIGHT_PX, WIDTH_PX), np.uint8)
    cv2.fillPoly(mask, [np.round(np.array(TRAPEZIUM)).astype(np.int32)], (3,))
    crop = straighten_mask(mask, outline, 0.1)
    shown = straighten(mask * 80, outline, 0.1) > 120
    rows, columns = np.nonzero(crop)
    margin_px = 0.1 * max(outline.width_px, outline.height_px)
    assert columns.min() == pytest.approx(margin_px, abs=1.6)
    assert np.count_nonzero((crop > 0) != shown) < 0.01 * np.count_nonzero(shown)
    assert np.count_nonzero(crop) == pytest.approx(outline.width_px * outline.height_px, rel=0.01)
    assert rows.size


def test_image_and_corners_are_tilted_alike() -> None:
    straight = np.array(rectangle((330, 230), 240, 200, 10))
    image, points = tilted(draw(as_corners(straight), ground=WHITE, noise=0), straight, 8, 70)
    assert iou(points, find_outline(image).corners_px) > 0.985
    assert keystone_deg(straight) < 1e-6
    assert 1 < keystone_deg(points) < 6
