import math

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from fabgan.components.core.images import Pixels
from fabgan.components.ingest.renderer import (
    DEFECT_KINDS,
    GOOD,
    Ball,
    FrameTruth,
    RenderedFrame,
    render_frame,
)
from tests.frames import inside, small

SEED = 7


@pytest.fixture(scope="module")
def good_frames() -> list[RenderedFrame]:
    return [render_frame(small(frames_per_lot=1), SEED, index) for index in range(8)]


@pytest.fixture(scope="module")
def defect_pairs() -> dict[str, tuple[RenderedFrame, RenderedFrame]]:
    """For each kind of defect a frame that shows it, and the same frame without it."""
    pairs: dict[str, tuple[RenderedFrame, RenderedFrame]] = {}
    for index in range(60):
        spoiled = render_frame(small(defect_share=1.0), SEED, index)
        if spoiled.truth.label not in pairs:
            pairs[spoiled.truth.label] = (spoiled, render_frame(small(), SEED, index))
        if len(pairs) == len(DEFECT_KINDS):
            break
    return pairs


def luma(image: Pixels) -> NDArray[np.float64]:
    grey: NDArray[np.float64] = image.astype(np.float64).mean(axis=2)
    return grey


def level_at(image: Pixels, ball: Ball, least: float, most: float) -> float:
    """Mean brightness at a distance of `least` to `most` radii from a ball's centre."""
    left, top = (math.floor(place - ball.radius_px) for place in (ball.x_px, ball.y_px))
    side_px = math.ceil(2 * ball.radius_px) + 2
    grey = luma(image[top : top + side_px, left : left + side_px])
    y, x = np.mgrid[:side_px, :side_px]
    distance = np.hypot(x + left - ball.x_px, y + top - ball.y_px) / ball.radius_px
    return float(grey[(distance >= least) & (distance <= most)].mean())


def highlight_contrast(image: Pixels, ball: Ball) -> float:
    """The brightest of the circles where the ring light shows, against the dark between it and the spot."""
    ring = max(level_at(image, ball, low, low + 0.1) for low in (0.5, 0.55, 0.6, 0.65))
    return ring / level_at(image, ball, 0.25, 0.4)


def signed_area(points: tuple[tuple[float, float], ...]) -> float:
    """Positive for clockwise as seen in an image, whose y axis points down."""
    x, y = np.array(points).T
    return float(np.sum(x * np.roll(y, -1) - np.roll(x, -1) * y)) / 2


def test_same_parameters_seed_and_index_give_the_same_bytes() -> None:
    first, again = (render_frame(small(defect_share=0.5), SEED, 4) for _ in range(2))
    assert first.image.tobytes() == again.image.tobytes()
    assert first.truth == again.truth


def test_other_index_or_seed_gives_another_frame(good_frames: list[RenderedFrame]) -> None:
    frames = [*good_frames, render_frame(small(frames_per_lot=1), SEED + 1, 0)]
    assert len({frame.image.tobytes() for frame in frames}) == len(frames)


def test_colour_frame_is_rgb_uint8(good_frames: list[RenderedFrame]) -> None:
    assert good_frames[0].image.shape == (600, 800, 3)
    assert good_frames[0].image.dtype == np.uint8


def test_grey_frame_shows_the_same_scene_in_one_channel(good_frames: list[RenderedFrame]) -> None:
    grey = render_frame(small(frames_per_lot=1, grey=True), SEED, 0)
    assert grey.image.shape == (600, 800)
    assert grey.truth == good_frames[0].truth
    expected = cv2.cvtColor(good_frames[0].image, cv2.COLOR_RGB2GRAY).astype(np.float64)
    assert np.abs(grey.image - expected).mean() < 4


def test_smaller_frame_is_a_shrunk_larger_one() -> None:
    large = render_frame(small(), SEED, 1)
    half = render_frame(small(frame_width_px=400, frame_height_px=300), SEED, 1)
    np.testing.assert_allclose(np.array(half.truth.outline_px) * 2, large.truth.outline_px, atol=3)
    views = [cv2.resize(frame.image, (100, 75), interpolation=cv2.INTER_AREA) for frame in (large, half)]
    assert np.abs(views[0].astype(np.float64) - views[1]).mean() < 4


def test_frames_of_a_lot_show_one_product() -> None:
    truths = [render_frame(small(frames_per_lot=2, products=50), SEED, index).truth for index in range(6)]
    assert [truth.lot for truth in truths] == [f"lot-{lot:04d}" for lot in (0, 0, 1, 1, 2, 2)]
    assert all(first.product == second.product for first, second in zip(truths[::2], truths[1::2], strict=True))
    assert len({truth.product for truth in truths}) > 1


def test_every_ball_shows_a_bright_ring_on_a_dark_body(good_frames: list[RenderedFrame]) -> None:
    for frame in good_frames[:3]:
        contrasts = [highlight_contrast(frame.image, ball) for ball in frame.truth.balls[::7]]
        assert min(contrasts) > 1.4


def test_missing_ball_has_no_highlight(
    defect_pairs: dict[str, tuple[RenderedFrame, RenderedFrame]],
) -> None:
    spoiled, good = defect_pairs["missing_ball"]
    (missing,) = set(good.truth.balls) - set(spoiled.truth.balls)
    assert highlight_contrast(good.image, missing) > 1.4
    assert highlight_contrast(spoiled.image, missing) < 1.25


@pytest.mark.parametrize("kind", DEFECT_KINDS)
def test_defect_changes_the_image_inside_its_polygon(
    kind: str, defect_pairs: dict[str, tuple[RenderedFrame, RenderedFrame]]
) -> None:
    spoiled, good = defect_pairs[kind]
    (defect,) = spoiled.truth.defects
    assert spoiled.truth.label == defect.kind == kind
    assert good.truth.label == GOOD
    assert good.truth.defects == ()
    assert all(inside(spoiled.truth, x_px, y_px) for x_px, y_px in defect.polygon_px)
    assert signed_area(defect.polygon_px) > 0

    change = np.abs(luma(spoiled.image) - luma(good.image))
    polygon = np.zeros(change.shape, dtype=np.uint8)
    cv2.fillPoly(polygon, [np.rint(np.array(defect.polygon_px)).astype(np.int32)], (1,))
    near = cv2.dilate(polygon, np.ones((21, 21), np.uint8))
    assert change[polygon > 0].max() > 30
    # The noise is the same in both frames; only the glare of a lost highlight reaches far.
    assert change[near == 0].mean() < 1


def test_defect_share_is_the_share_of_frames_with_a_defect() -> None:
    tiny = small(frame_width_px=120, frame_height_px=90, min_balls_per_side=4, max_balls_per_side=6, defect_share=0.3)
    labels = [render_frame(tiny, SEED, index).truth.label for index in range(150)]
    assert 25 <= sum(label != GOOD for label in labels) <= 65


def test_outline_is_clockwise_and_turned_by_the_angle(good_frames: list[RenderedFrame]) -> None:
    for frame in good_frames:
        first, second, _, _ = frame.truth.outline_px
        direction_deg = math.degrees(math.atan2(second[1] - first[1], second[0] - first[0]))
        assert signed_area(frame.truth.outline_px) > 0
        assert (direction_deg - frame.truth.angle_deg + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)


def test_substrate_is_brighter_than_the_tray_along_the_whole_outline(good_frames: list[RenderedFrame]) -> None:
    for frame in good_frames:
        corners = np.array(frame.truth.outline_px)
        middle = corners.mean(axis=0)
        way = np.concatenate([np.linspace(corners[i], corners[(i + 1) % 4], 60) for i in range(4)])
        smooth = cv2.GaussianBlur(frame.image.max(axis=2), (0, 0), 1.0)
        within, outside = (np.rint(middle + (way - middle) * share).astype(int) for share in (0.975, 1.025))
        assert (smooth[within[:, 1], within[:, 0]] > smooth[outside[:, 1], outside[:, 0]] + 8.0).all()


def edge_offset_px(image: Pixels, first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    """How far outside the side from `first` to `second` the mean profile across it falls to its middle level."""
    along = (second - first) / np.linalg.norm(second - first)
    outwards = np.array([along[1], -along[0]])
    steps_px = np.arange(-4, 4.05, 0.1)
    starts = first + np.linspace(0.2, 0.8, 200)[:, None] * (second - first)
    places = (starts[:, None] + steps_px[:, None] * outwards).astype(np.float32)
    profile = cv2.remap(image.max(axis=2), places[..., 0], places[..., 1], cv2.INTER_LINEAR).mean(axis=0)
    middle_level = (profile[:10].mean() + profile[-10:].mean()) / 2
    return float(steps_px[profile > middle_level].max())


def test_outline_is_exact_to_a_pixel(good_frames: list[RenderedFrame]) -> None:
    for frame in good_frames:
        corners = np.array(frame.truth.outline_px)
        offsets_px = [edge_offset_px(frame.image, corners[i], corners[(i + 1) % 4]) for i in range(4)]
        assert np.abs(offsets_px).max() < 0.7


def pitch_px(truth: FrameTruth) -> float:
    first, *others = truth.balls
    return min(
        math.dist((first.x_px, first.y_px), (other.x_px, other.y_px))
        / math.hypot(first.row - other.row, first.column - other.column)
        for other in others
    )


def test_pin_1_mark_lies_at_the_first_corner_only(good_frames: list[RenderedFrame]) -> None:
    for frame in good_frames:
        corners = np.array(frame.truth.outline_px)
        # A dot and a triangle both cover the place a third of a pitch away from both sides of the corner.
        reach_px = 0.33 * pitch_px(frame.truth)
        levels = []
        for corner in range(4):
            sides = (corners[(corner + 1) % 4] - corners[corner], corners[corner - 1] - corners[corner])
            place = corners[corner] + sum(reach_px * side / np.linalg.norm(side) for side in sides)
            x_px, y_px = np.rint(place).astype(int)
            levels.append(float(luma(frame.image[y_px - 1 : y_px + 2, x_px - 1 : x_px + 2]).mean()))
        assert levels[0] > 1.3 * max(levels[1:])


def test_first_ball_is_nearest_to_the_pin_1_corner(good_frames: list[RenderedFrame]) -> None:
    for frame in good_frames:
        corner = frame.truth.outline_px[0]
        nearest = min(frame.truth.balls, key=lambda ball: math.dist(corner, (ball.x_px, ball.y_px)))
        assert nearest.row + nearest.column <= 2


def test_truth_becomes_plain_json_values(good_frames: list[RenderedFrame]) -> None:
    content = good_frames[0].truth.to_json()
    assert set(content) == {"lot", "product", "label", "outline_px", "angle_deg", "balls", "defects"}
    assert set(content["balls"][0]) == {"x_px", "y_px", "radius_px", "row", "column"}
    assert all(isinstance(value, float) for corner in content["outline_px"] for value in corner)
