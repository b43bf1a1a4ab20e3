"""Any parameters of the renderer are refused by name, or give frames with the whole package in them."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from fabgan.components.ingest.renderer import render_frame
from fabgan.components.ingest.renderer.layout import body_of, draw_pose
from fabgan.components.ingest.renderer.noise import stream
from fabgan.components.ingest.renderer.products import PATTERNS, draw_product, populate
from tests.frames import inside, small


@pytest.mark.parametrize(
    ("key", "changes"),
    [
        ("min_balls_per_side", {"min_balls_per_side": 3}),
        ("max_balls_per_side", {"max_balls_per_side": 5}),
        ("max_balls_per_side", {"max_balls_per_side": 80}),
        ("max_angle_deg", {"max_angle_deg": 181}),
        ("min_body_share", {"min_body_share": 0.0}),
        ("max_body_share", {"max_body_share": 0.4}),
        ("max_body_share", {"max_body_share": 0.8}),
    ],
)
def test_impossible_parameters_are_refused_by_name(key: str, changes: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=f"Value error, {key} must"):
        small(**changes)


def test_package_that_lies_straighter_may_be_larger() -> None:
    assert small(max_angle_deg=5, max_body_share=0.85).max_body_share == 0.85


@given(
    width_px=st.integers(90, 4000),
    height_px=st.integers(90, 4000),
    max_angle_deg=st.floats(0, 180),
    min_body_share=st.floats(0.4, 0.67),
    seed=st.integers(0, 2**32),
    index=st.integers(0, 10_000),
)
def test_package_lies_wholly_in_the_frame(
    width_px: int, height_px: int, max_angle_deg: float, min_body_share: float, seed: int, index: int
) -> None:
    parameters = small(
        frame_width_px=width_px,
        frame_height_px=height_px,
        max_angle_deg=max_angle_deg,
        min_body_share=min_body_share,
        max_body_share=0.67,
        min_balls_per_side=4,
        max_balls_per_side=4,
    )
    body = body_of(draw_product(parameters, seed, 0), parameters)
    corners = draw_pose(body, parameters, stream(seed, index)).to_frame
    x_px, y_px = corners(body.corners).T
    margin_px = 0.0199 * min(width_px, height_px)
    assert min(x_px.min(), y_px.min()) >= -0.5 + margin_px
    assert x_px.max() <= width_px - 0.5 - margin_px
    assert y_px.max() <= height_px - 0.5 - margin_px


@settings(max_examples=15, deadline=None)
@given(
    width_px=st.integers(120, 300),
    height_px=st.integers(120, 300),
    grey=st.booleans(),
    most=st.integers(4, 8),
    seed=st.integers(0, 1000),
)
def test_any_small_frame_renders_with_its_balls_on_the_package(
    width_px: int, height_px: int, grey: bool, most: int, seed: int
) -> None:
    parameters = replace(
        small(min_balls_per_side=4, max_balls_per_side=most, defect_share=1.0),
        frame_width_px=width_px,
        frame_height_px=height_px,
        grey=grey,
    )
    frame = render_frame(parameters, seed, 0)
    assert frame.image.shape == ((height_px, width_px) if grey else (height_px, width_px, 3))
    places = [(ball.x_px, ball.y_px) for ball in frame.truth.balls]
    places += [point for defect in frame.truth.defects for point in defect.polygon_px]
    assert all(inside(frame.truth, x_px, y_px) for x_px, y_px in places)


@pytest.mark.parametrize("pattern", PATTERNS)
@given(rows=st.integers(4, 20), columns=st.integers(4, 20), seed=st.integers(0, 100))
def test_every_pattern_has_balls_on_all_four_sides(pattern: str, rows: int, columns: int, seed: int) -> None:
    populated = populate(pattern, rows, columns, stream(seed))
    assert populated.shape == (rows, columns)
    assert all(side.any() for side in (populated[0], populated[-1], populated[:, 0], populated[:, -1]))
