"""The position of the package and its balls.

Body coordinates are pixels of the body's own image, with pixel centres at integers. The body spans x from -0.5 to
width - 0.5. One body pixel is as long as one frame pixel.
"""

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from .parameters import MARGIN_SHARE, RendererParameters
from .products import Product
from .truth import Point

Points = NDArray[np.float64]


@dataclass(frozen=True)
class Body:
    """The package's size in pixels."""

    width_px: int
    height_px: int
    pitch_px: float
    first_x_px: float
    """Body coordinates of the ball site in row 0, column 0."""
    first_y_px: float

    @property
    def corners(self) -> Points:
        """The four corners in body coordinates, clockwise from the pin-1 corner, 4 x 2."""
        right, bottom = self.width_px - 0.5, self.height_px - 0.5
        return np.array([[-0.5, -0.5], [right, -0.5], [right, bottom], [-0.5, bottom]])

    def site(self, row: float, column: float) -> Point:
        """Return the body coordinates of a ball site."""
        return (self.first_x_px + column * self.pitch_px, self.first_y_px + row * self.pitch_px)


@dataclass(frozen=True)
class Pose:
    """A body at a place and an angle in the frame."""

    body: Body
    centre_px: Point
    angle_deg: float

    @cached_property
    def matrix(self) -> Points:
        """The affine map from body to frame coordinates, 2 x 3."""
        angle = math.radians(self.angle_deg)
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        middle = np.array([(self.body.width_px - 1) / 2, (self.body.height_px - 1) / 2])
        return np.column_stack([turn, np.array(self.centre_px) - turn @ middle])

    def to_frame(self, points: Points) -> Points:
        """Map body coordinates, N x 2, to frame coordinates."""
        mapped: Points = points @ self.matrix[:, :2].T + self.matrix[:, 2]
        return mapped


def body_of(product: Product, parameters: RendererParameters) -> Body:
    """Return the body of a product in frames of this size."""
    rows, columns = product.populated.shape
    longer_px = product.body_share * min(parameters.frame_width_px, parameters.frame_height_px)
    pitch_px = longer_px / (max(rows, columns) - 1 + 2 * product.edge)
    # An outline on whole body pixels makes the ground truth exact. Rounding down keeps the body within max_body_share.
    width_px = math.floor((columns - 1 + 2 * product.edge) * pitch_px + 1e-6)
    height_px = math.floor((rows - 1 + 2 * product.edge) * pitch_px + 1e-6)
    return Body(
        width_px=width_px,
        height_px=height_px,
        pitch_px=pitch_px,
        first_x_px=(width_px - 1 - (columns - 1) * pitch_px) / 2,
        first_y_px=(height_px - 1 - (rows - 1) * pitch_px) / 2,
    )


def draw_pose(body: Body, parameters: RendererParameters, rng: Generator) -> Pose:
    """Return a pose with a uniform angle, and a uniform position that keeps the body and a margin in the frame."""
    angle_deg = rng.uniform(-1, 1) * parameters.max_angle_deg
    x_share, y_share = rng.random(2)
    angle = math.radians(angle_deg)
    cosine, sine = abs(math.cos(angle)), abs(math.sin(angle))
    spans_px = (
        body.width_px * cosine + body.height_px * sine,
        body.width_px * sine + body.height_px * cosine,
    )
    margin_px = MARGIN_SHARE * min(parameters.frame_width_px, parameters.frame_height_px)
    frame_px = (parameters.frame_width_px, parameters.frame_height_px)
    x_px, y_px = (
        -0.5 + margin_px + span_px / 2 + share * (side_px - 2 * margin_px - span_px)
        for span_px, side_px, share in zip(spans_px, frame_px, (x_share, y_share), strict=True)
    )
    return Pose(body, (x_px, y_px), angle_deg)
