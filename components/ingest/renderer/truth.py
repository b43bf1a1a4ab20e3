"""The ground truth of a rendered frame.

Coordinates are (x, y) in pixels of the frame, x to the right and y down. Pixel centres are at integer coordinates, so
the frame spans x from -0.5 to width - 0.5. Lengths are in pixels.
"""

from dataclasses import dataclass
from typing import Any

Point = tuple[float, float]

GOOD = "good"
DEFECT_KINDS = ("missing_ball", "bridged_balls", "deformed_ball", "scratch", "contamination")
DECIMALS = 3


@dataclass(frozen=True)
class Ball:
    """A solder ball that is present. Row 0, column 0 is next to the pin-1 corner."""

    x_px: float
    y_px: float
    radius_px: float
    row: int
    column: int


@dataclass(frozen=True)
class Defect:
    """One labelled defect, inside the package."""

    kind: str
    """One of DEFECT_KINDS."""
    polygon_px: tuple[Point, ...]
    """Corners of a convex polygon around the defect, clockwise as seen in the image."""


@dataclass(frozen=True)
class FrameTruth:
    """The ground truth of one frame, in the coordinates that the module defines."""

    lot: str
    product: str
    label: str
    """`good`, or the class of the defect."""
    outline_px: tuple[Point, Point, Point, Point]
    """Corners of the package body, clockwise as seen in the image, from the pin-1 corner."""
    angle_deg: float
    """Direction from corner 0 to corner 1, clockwise from the x axis, in (-180, 180]."""
    balls: tuple[Ball, ...]
    defects: tuple[Defect, ...]

    def to_json(self) -> dict[str, Any]:
        """Return plain lists, dicts, strings and numbers, with coordinates rounded to 0.001 px."""
        return {
            "lot": self.lot,
            "product": self.product,
            "label": self.label,
            "outline_px": _rounded(self.outline_px),
            "angle_deg": round(self.angle_deg, DECIMALS),
            "balls": [_ball_json(ball) for ball in self.balls],
            "defects": [{"kind": defect.kind, "polygon_px": _rounded(defect.polygon_px)} for defect in self.defects],
        }


def _rounded(points: tuple[Point, ...]) -> list[list[float]]:
    return [[round(x, DECIMALS), round(y, DECIMALS)] for x, y in points]


def _ball_json(ball: Ball) -> dict[str, Any]:
    return {
        "x_px": round(ball.x_px, DECIMALS),
        "y_px": round(ball.y_px, DECIMALS),
        "radius_px": round(ball.radius_px, DECIMALS),
        "row": ball.row,
        "column": ball.column,
    }
