"""What is refused, because no package lies whole and alone in the frame."""

import contextlib

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fabgan.components.core.errors import UnusableImageError
from fabgan.components.core.images import Pixels
from fabgan.components.crop_resize.outline import find, find_outline, iou
from fabgan.components.crop_resize.outline.background import Border, View, view_of
from fabgan.components.crop_resize.outline.flanks import leave_out_flanks
from fabgan.components.crop_resize.outline.gaps import refuse_frame
from tests.drawn_packages import BLACK, GREEN, WHITE, Colour, Point, draw, rectangle


@pytest.mark.parametrize("light", [1, 0.5, 0.125])
def test_white_sheet_is_refused_in_any_light(light: float) -> None:
    frame = draw(ground=(120, 90, 60))
    cv2.fillConvexPoly(
        frame, np.round(rectangle((320, 240), 300, 220, 9)).astype(np.int32), (240, 240, 238), cv2.LINE_AA
    )
    with pytest.raises(UnusableImageError, match="blank white sheet"):
        find_outline((frame * light).astype(np.uint8))


@pytest.mark.parametrize("light", [0.5, 0.25, 0.125])
@pytest.mark.parametrize(("body", "ground"), [(GREEN, WHITE), (BLACK, WHITE), (GREEN, (140, 143, 148))])
def test_little_light_is_no_reason_to_refuse(body: Colour, ground: Colour, light: float) -> None:
    true = rectangle((331.3, 236.8), 240, 150, 12)
    frame = draw(true, body=body, ground=ground) * light
    assert iou(true, find_outline(np.round(frame).astype(np.uint8)).corners_px) > 0.98


@pytest.mark.parametrize("ground", [(140, 143, 148), WHITE, GREEN])
def test_empty_pocket_is_refused(ground: Colour) -> None:
    frame = draw(ground=ground)
    mask = np.zeros(frame.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, np.round(rectangle((320, 240), 300, 220, 9)).astype(np.int32), 1)
    frame[mask > 0] = (frame[mask > 0] * 0.7).astype(np.uint8)
    with pytest.raises(UnusableImageError, match="empty pocket, or a shadow"):
        find_outline(frame)


def test_shadow_on_a_mat_with_lines_is_refused() -> None:
    """The lines have another tint than the mat, in shadow too."""
    frame = draw(ground=(46, 118, 96))
    for place in range(20, 640, 96):
        cv2.line(frame, (place, 0), (place, 479), (150, 175, 140), 2, cv2.LINE_AA)
        cv2.line(frame, (0, place), (639, place), (150, 175, 140), 2, cv2.LINE_AA)
    shadow = np.zeros(frame.shape[:2], np.float32)
    cv2.fillConvexPoly(shadow, np.round(rectangle((308, 212), 196, 196, 0)).astype(np.int32), 1.0)
    shaded = frame * (1 - 0.45 * cv2.GaussianBlur(shadow, (0, 0), 9))[..., None]
    with pytest.raises(UnusableImageError, match="no package found"):
        find_outline(shaded.astype(np.uint8))


@pytest.mark.parametrize("light", [0.38, 0.6])
@pytest.mark.parametrize("specks", [0, 400])
def test_hard_shadow_is_refused(light: float, specks: int) -> None:
    """The specks of the ground go on in it, so it is not plain."""
    frame = draw(ground=(168, 143, 118)).astype(np.float32)
    for x, y in np.random.default_rng(2).integers(0, (640, 480), (specks, 2)):
        cv2.circle(frame, (int(x), int(y)), 2, (100, 85, 70), -1, cv2.LINE_AA)
    shadow = np.zeros(frame.shape[:2], np.float32)
    cv2.fillConvexPoly(shadow, np.round(rectangle((330, 240), 260, 230, -7)).astype(np.int32), 1.0)
    shaded = frame * (1 - (1 - light) * cv2.GaussianBlur(shadow, (0, 0), 1))[..., None]
    with pytest.raises(UnusableImageError, match="empty pocket, or a shadow"):
        find_outline(shaded.astype(np.uint8))


def test_thing_with_soft_edges_is_refused() -> None:
    with pytest.raises(UnusableImageError, match="not a sharp, straight edge"):
        find_outline(draw(rectangle((320, 240), 240, 200, 9), body=BLACK, ground=WHITE, blur_px=14))


@pytest.mark.parametrize(
    ("centre", "border"),
    [((60, 240), "left"), ((580, 240), "right"), ((320, 50), "top"), ((320, 430), "bottom")],
)
@pytest.mark.parametrize("angle_deg", [0.0, 25.0])
def test_package_cut_by_the_frame_is_refused_by_name_of_the_border(
    centre: Point, border: str, angle_deg: float
) -> None:
    with pytest.raises(UnusableImageError, match=f"cut by the frame's {border} border"):
        find_outline(draw(rectangle(centre, 200, 160, angle_deg)))


def test_package_cut_at_a_corner_names_both_borders() -> None:
    with pytest.raises(UnusableImageError, match="left and top border"):
        find_outline(draw(rectangle((50, 50), 200, 160, 0)))


def test_frame_without_contrast_is_refused() -> None:
    with pytest.raises(UnusableImageError, match="no package found"):
        find_outline(np.full((480, 640, 3), 90, np.uint8))


def test_background_of_a_refused_frame_is_read_once_from_each_border(monkeypatch: pytest.MonkeyPatch) -> None:
    borders = []

    def read(work: Pixels, border: Border) -> View:
        borders.append(border)
        return view_of(work, border)

    monkeypatch.setattr(find, "view_of", read)
    with pytest.raises(UnusableImageError, match="no package found"):
        find_outline(draw())
    assert borders == ["whole", "left and right", "top and bottom"]


@pytest.mark.parametrize("sigma", [2.0, 60.0])
def test_noise_alone_is_refused(sigma: float) -> None:
    with pytest.raises(UnusableImageError, match="no package found"):
        find_outline(draw(noise=sigma))


def test_round_thing_is_refused() -> None:
    frame = draw()
    cv2.circle(frame, (320, 240), 120, GREEN, -1, cv2.LINE_AA)
    with pytest.raises(UnusableImageError, match="no package found"):
        find_outline(frame)


def test_thin_thing_is_refused() -> None:
    with pytest.raises(UnusableImageError, match="too thin"):
        find_outline(draw(rectangle((320, 240), 500, 11, 20)))


def test_two_packages_are_refused() -> None:
    frame = draw(rectangle((160, 240), 180, 140, 10), rectangle((480, 240), 170, 140, -5))
    with pytest.raises(UnusableImageError, match="more than one"):
        find_outline(frame)


@pytest.mark.parametrize("ground", [(140, 143, 148), WHITE, (165, 120, 80)])
@pytest.mark.parametrize("gap_px", [7, 12])
def test_packages_side_by_side_are_refused(ground: Colour, gap_px: int) -> None:
    """The rough search joins them across the small gap between them."""
    apart = (180 + gap_px) / 2
    with pytest.raises(UnusableImageError, match="more than one"):
        find_outline(draw(*(rectangle((320 + way * apart, 240), 180, 170, 0) for way in (-1, 1)), ground=ground))


def test_packages_side_by_side_are_refused_where_they_shade_the_gap() -> None:
    pair = rectangle((234, 240), 160, 180, 0), rectangle((406, 240), 160, 180, 0)
    frame = draw(*pair, ground=WHITE).astype(np.float32)
    frame[140:340, 312:328] *= np.linspace(0.9, 0.5, 16)[:, None]
    with pytest.raises(UnusableImageError, match="more than one"):
        find_outline(frame.astype(np.uint8))


def test_packages_side_by_side_are_refused_where_the_gap_is_nearly_as_dark_as_their_rims() -> None:
    """As on a green mat, which the packages shade."""
    frame = draw(ground=(46, 120, 98))
    for middle in (234, 406):
        cv2.fillConvexPoly(frame, np.round(rectangle((middle, 240), 160, 180, 0)).astype(np.int32), (32, 74, 66))
        cv2.fillConvexPoly(frame, np.round(rectangle((middle, 240), 140, 160, 0)).astype(np.int32), (160, 158, 156))
    frame[150:330, 314:326] = (23, 62, 50)
    with pytest.raises(UnusableImageError, match="more than one"):
        find_outline(frame)


@pytest.mark.parametrize("ground", [(140, 143, 148), WHITE])
def test_packages_side_by_side_are_refused_where_a_line_on_the_mat_lies_between_them(ground: Colour) -> None:
    frame = draw(rectangle((234, 240), 160, 180, 0), rectangle((406, 240), 160, 180, 0), ground=ground)
    cv2.line(frame, (321, 0), (321, 479), (60, 60, 160), 1)
    with pytest.raises(UnusableImageError, match="more than one"):
        find_outline(frame)


@pytest.mark.parametrize("light", [20, 30])
def test_a_soft_reflection_across_a_black_package_is_no_gap(light: int) -> None:
    true = rectangle((320, 240), 320, 240, 0)
    band = light * np.exp(-(((np.arange(640) - 300) / 25) ** 2) / 2)
    frame = draw(true, body=(40, 40, 44), ground=(190, 190, 190)).astype(np.float32)
    frame[120:360] += band[None, :, None]
    assert iou(find_outline(frame.clip(0, 255).astype(np.uint8)).corners_px, true) > 0.98


def test_rows_of_lands_on_a_body_like_the_ground_in_shade_are_one_package() -> None:
    """Between its rows, the body has the tint of the ground right across, as a gap would have."""
    true = rectangle((320, 240), 260, 260, 0)
    frame = draw(true, body=(98, 100, 104), ground=(140, 143, 148))
    for y in range(130, 350, 20):
        for x in range(210, 430, 20):
            cv2.circle(frame, (x, y), 6, (205, 175, 105), -1, cv2.LINE_AA)
    assert iou(find_outline(frame).corners_px, true) > 0.98


@pytest.mark.parametrize("ground", [(140, 143, 148), WHITE])
def test_frame_of_wire_is_refused(ground: Colour) -> None:
    frame = draw(ground=ground)
    for size_px in (280, 252, 224):
        cv2.polylines(frame, [np.round(rectangle((320, 240), size_px, size_px, 9)).astype(np.int32)], True, BLACK, 5)
    with pytest.raises(UnusableImageError, match="a frame around the background"):
        find_outline(frame)


@pytest.mark.parametrize("apart_px", [64, 112])
def test_frame_of_wire_on_a_mat_with_lines_is_refused(apart_px: int) -> None:
    """The lines go on inside, so the opening is not all like the ground. Nor is the ground around."""
    frame, corners = draw(ground=(46, 118, 96)), rectangle((320, 240), 284, 284, 9)
    for place in range(20, 640, apart_px):
        cv2.line(frame, (place, 0), (place, 479), (150, 175, 140), 2, cv2.LINE_AA)
        cv2.line(frame, (0, place), (639, place), (150, 175, 140), 2, cv2.LINE_AA)
    for size_px in (280, 252, 224):
        cv2.polylines(frame, [np.round(rectangle((320, 240), size_px, size_px, 9)).astype(np.int32)], True, BLACK, 5)
    with pytest.raises(UnusableImageError, match="a frame around the background"):
        refuse_frame(view_of(frame), np.array(corners))


def test_a_package_of_the_mats_colour_is_no_frame_of_wire() -> None:
    """Its marking takes as much of it as the lines take of the mat, but has another colour."""
    frame, true = draw(ground=(46, 118, 96)), rectangle((320, 240), 250, 250, 7)
    for place in range(20, 640, 112):
        cv2.line(frame, (place, 0), (place, 479), (150, 175, 140), 2, cv2.LINE_AA)
        cv2.line(frame, (0, place), (639, place), (150, 175, 140), 2, cv2.LINE_AA)
    cv2.fillConvexPoly(frame, np.round(true).astype(np.int32), BLACK, cv2.LINE_AA)
    cv2.fillConvexPoly(frame, np.round(rectangle((320, 240), 226, 226, 7)).astype(np.int32), (46, 118, 96), cv2.LINE_AA)
    for baseline, words in ((225, "AB1234"), (275, "XY5678")):
        cv2.putText(frame, words, (255, baseline), cv2.FONT_HERSHEY_SIMPLEX, 1.1, (235, 235, 230), 3, cv2.LINE_AA)
    assert iou(find_outline(frame).corners_px, true) > 0.97


def test_ruler_is_refused() -> None:
    with pytest.raises(UnusableImageError, match=r"more than 5\.5 times longer than wide"):
        find_outline(draw(rectangle((320, 240), 440, 70, 20), body=(205, 175, 105), ground=WHITE))


def test_narrow_dual_in_line_package_is_not_too_long() -> None:
    true = rectangle((320, 240), 400, 80, 20)
    assert iou(find_outline(draw(true, body=BLACK, ground=WHITE)).corners_px, true) > 0.98


@pytest.mark.parametrize("shape", [(40, 60_000), (60_000, 40), (200, 5000, 3)])
def test_long_photograph_is_refused(shape: tuple[int, ...]) -> None:
    """Hardly anything of its shorter side would be left in a reduced copy."""
    with pytest.raises(UnusableImageError, match="more than 20 times longer than wide"):
        find_outline(np.zeros(shape, np.uint8))


def test_tiny_photograph_is_refused() -> None:
    with pytest.raises(UnusableImageError, match="32 pixels"):
        find_outline(np.zeros((8, 700), np.uint8))


@settings(deadline=None, max_examples=60)
@given(
    st.integers(32, 120),
    st.integers(32, 640),
    st.sampled_from(["noise", "ramp", "stripes", "objects"]),
    st.integers(0, 99),
)
def test_small_and_strange_photographs_are_refused_or_cropped(height: int, width: int, kind: str, seed: int) -> None:
    random = np.random.default_rng(seed)
    frame = np.full((height, width, 3), random.integers(0, 256, 3), np.uint8)
    if kind == "noise":
        frame = random.integers(0, 256, frame.shape, dtype=np.uint8)
    elif kind == "ramp":
        frame[:] = (np.indices((height, width)).sum(axis=0) % 256)[..., None]
    elif kind == "stripes":
        frame[:, ::2] = random.integers(0, 256, 3)
    else:
        for _ in range(2):
            centre, sides_px = random.random(2) * [width, height], random.random(2) * [width, height]
            corners = rectangle((centre[0], centre[1]), sides_px[0], sides_px[1], float(random.choice([0, 30, 90])))
            cv2.fillPoly(frame, [np.rint(corners).astype(np.int32)], random.integers(0, 256, 3).tolist())
    with contextlib.suppress(UnusableImageError):
        assert np.isfinite(find_outline(frame).corners_px).all()


@pytest.mark.parametrize("shape", [(32, 640), (55, 495), (74, 34)])
def test_noise_in_a_narrow_photograph_is_refused(shape: tuple[int, int]) -> None:
    """The strip along its border is narrower than the grid of cells from which the background is read elsewhere."""
    noise = np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8)
    with pytest.raises(UnusableImageError, match="no package found"):
        find_outline(noise)


def test_package_of_a_few_pixels_has_no_flanks_to_look_for() -> None:
    true = rectangle((320, 60), 32, 6, 0)
    frame = draw(rectangle((320, 240), 32, 6, 0), body=BLACK, ground=WHITE)[180:300]
    assert iou(leave_out_flanks(view_of(frame), np.array(true)), true) == 1
