"""The geometry of an outline: its sides, the crop around it, and the agreement of two polygons.

Coordinates are pixels with pixel centres at integers, x to the right and y down.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.images import Pixels

Point = tuple[float, float]
Points = NDArray[np.float64]
Map = NDArray[np.float32]
"""An image of numbers, H x W x C, or a part of one."""
Colour = NDArray[np.float32]
"""In Lab; (3,), or ... x 3."""

ROUNDING_PX = 1e-6
"""Tolerance for rounding: 240.0000000001 px counts as 240 px."""
SQUARE_RATIO = 1.05
"""Up to this ratio of its sides, a package counts as square: it is turned by less than 45 degrees, whichever side is
longer."""
TILTED_DEG = 0.5
"""From this angle between opposite sides on, a package is straightened by a homography."""
IOU_BITS = 8
"""Polygons are rasterised with vertices rounded to 1 / 2**IOU_BITS of a cell."""
IOU_CELLS = 2048
"""The longer side of the raster on which two polygons are compared."""


@dataclass(frozen=True)
class Outline:
    """A convex quadrilateral around the package's body.

    With square camera pixels it is a rectangle. In a stretched photograph, a package that lies at an angle becomes a
    parallelogram. A tilted camera shows a trapezium, or a quadrilateral without parallel sides.
    """

    corners_px: tuple[Point, Point, Point, Point]
    """(x, y), clockwise. The first is the top left corner after the package is turned back by `angle_deg`."""

    @property
    def angle_deg(self) -> float:
        """The clockwise turn, in (-45, 45], from the image's axes to the package's sides.

        It is the direction of the longer pair of sides, modulo 90 degrees.
        """
        right, down = self._sides()
        x, y = right if self.width_px >= self.height_px else (down[1], -down[0])
        below_45 = (45.0 - math.degrees(math.atan2(y, x))) % 90.0 % 90.0  # once, a rounding error may leave 90
        return 45.0 - below_45

    @property
    def width_px(self) -> float:
        """Length of the sides from the first to the second corner."""
        return math.hypot(*self._sides()[0])

    @property
    def height_px(self) -> float:
        """Length of the sides from the second to the third corner."""
        return math.hypot(*self._sides()[1])

    @property
    def is_square(self) -> bool:
        """Whether no two sides can be called the longer ones."""
        return max(self.width_px, self.height_px) <= SQUARE_RATIO * min(self.width_px, self.height_px)

    @property
    def lengthwise(self) -> "Outline":
        """The outline as it lies in its crop: its first side is a longer one, if it is not square."""
        if self.is_square or self.width_px > self.height_px:
            return self
        a, b, c, d = self.corners_px
        return Outline((d, a, b, c))

    @property
    def keystone_deg(self) -> float:
        """The larger one of the two angles between opposite sides: 0 for a parallelogram."""
        return keystone_deg(np.array(self.corners_px))

    @property
    def is_tilted(self) -> bool:
        """Whether the camera was tilted, so that a homography straightens the package."""
        return self.keystone_deg >= TILTED_DEG

    def _sides(self) -> tuple[Point, Point]:
        """Return the vectors of the sides by least squares over four corners: exact for a parallelogram."""
        a, b, c, d = self.corners_px
        right = ((b[0] - a[0] + c[0] - d[0]) / 2, (b[1] - a[1] + c[1] - d[1]) / 2)
        down = ((d[0] - a[0] + c[0] - b[0]) / 2, (d[1] - a[1] + c[1] - b[1]) / 2)
        return right, down


def side_lengths(corners: Points) -> Points:
    """Return the lengths of the sides of a quadrilateral (4 x 2): side i starts at corner i."""
    return np.asarray(np.hypot(*(np.roll(corners, -1, axis=0) - corners).T))


def keystone_deg(corners: Points) -> float:
    """Return the larger one of the two angles between opposite sides of a convex quadrilateral (4 x 2)."""
    sides = np.roll(corners, -1, axis=0) - corners
    headings_deg = np.degrees(np.arctan2(sides[:, 1], sides[:, 0]))
    turns_deg = (headings_deg[2:] - headings_deg[:2]) % 360 - 180
    return float(np.abs(turns_deg).max())


def outline_from_corners(corners: Points) -> Outline:
    """Return the outline with these four corners (4 x 2, clockwise), starting at the top left one."""
    sides = np.roll(corners, -1, axis=0) - corners
    # The first side is the one that points most nearly to the right.
    first = int(np.argmax(sides[:, 0] / np.hypot(sides[:, 0], sides[:, 1])))
    a, b, c, d = ((float(x), float(y)) for x, y in np.roll(corners, -first, axis=0))
    return Outline((a, b, c, d))


def crop_size_px(outline: Outline, margin_share: float) -> int:
    """Return the side of the square crop: the longer side plus `margin_share` of it at both ends."""
    if not 0 <= margin_share < math.inf:
        raise ValueError(f"margin_share: expected a number of 0 or more, got {margin_share}")
    side_px = max(outline.width_px, outline.height_px) * (1 + 2 * margin_share)
    return math.ceil(side_px - ROUNDING_PX)


def straighten(image: Pixels, outline: Outline, margin_share: float) -> Pixels:
    """Return the square crop around a package: upright, centred, its longer sides horizontal if it is not square.

    `image` is uint8, H x W or H x W x 3. The crop has the same type and a side of `crop_size_px`. The package keeps its
    size in pixels, which is the mean of opposite sides if the camera was tilted. Outside the frame, the crop repeats
    the frame's border.
    """
    return _crop(image, outline, margin_share, cv2.INTER_CUBIC, cv2.BORDER_REPLICATE)


def straighten_mask(mask: Pixels, outline: Outline, margin_share: float) -> Pixels:
    """Return the crop of a mask, uint8, H x W, by the nearest pixels. Outside the frame, the crop is 0."""
    return _crop(mask, outline, margin_share, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT)


def _crop(image: Pixels, outline: Outline, margin_share: float, interpolation: int, border: int) -> Pixels:
    size_px = crop_size_px(outline, margin_share)
    size, flags = (size_px, size_px), interpolation | cv2.WARP_INVERSE_MAP
    warp = _frame_from_crop(outline, size_px)
    if outline.is_tilted:
        crop = cv2.warpPerspective(image, warp, size, flags=flags, borderMode=border)
    else:
        crop = cv2.warpAffine(image, warp[:2], size, flags=flags, borderMode=border)
    return np.asarray(crop, dtype=np.uint8)


def frame_outline(image: Pixels) -> Outline:
    """Return the outline of a package that fills the frame."""
    return box_outline((0, 0, image.shape[1], image.shape[0]))


def box_outline(box_px: tuple[int, int, int, int]) -> Outline:
    """Return the outline of a package that fills a box: left, top, right and bottom, from the corner (0, 0)."""
    left, top, right, bottom = (edge - 0.5 for edge in box_px)
    return Outline(((left, top), (right, top), (right, bottom), (left, bottom)))


def window(image: Pixels, outline: Outline) -> Pixels:
    """Return the part of an image or a mask within an outline that is a box."""
    (left, top), _, (right, bottom), _ = outline.corners_px
    return image[round(top + 0.5) : round(bottom + 0.5), round(left + 0.5) : round(right + 0.5)]


def filled_up(image: Pixels) -> Pixels:
    """Return an image as a square. The shorter side is filled up evenly, by repeating the border."""
    return _square(image, cv2.BORDER_REPLICATE)


def filled_up_mask(mask: Pixels) -> Pixels:
    """Return a mask as a square like that of its image. What is filled up is 0."""
    return _square(mask, cv2.BORDER_CONSTANT)


def _square(image: Pixels, border: int) -> Pixels:
    side_px = max(image.shape[:2])
    down, across = (((side_px - length) // 2, (side_px - length + 1) // 2) for length in image.shape[:2])
    return cv2.copyMakeBorder(image, *down, *across, borderType=border).astype(np.uint8)


def crop_corners(outline: Outline, margin_share: float) -> tuple[Point, Point, Point, Point]:
    """Return the corners of the crop's area in the frame, clockwise from the crop's top left corner."""
    size_px = crop_size_px(outline, margin_share)
    low, high = -0.5, size_px - 0.5
    square = np.array([(low, low, 1), (high, low, 1), (high, high, 1), (low, high, 1)])
    points = square @ _frame_from_crop(outline, size_px).T
    a, b, c, d = ((float(x), float(y)) for x, y in points[:, :2] / points[:, 2:])
    return a, b, c, d


def _frame_from_crop(outline: Outline, size_px: int) -> NDArray[np.float64]:
    """Return the 3 x 3 map from the crop's pixels to the frame's: affine, unless the camera was tilted."""
    lying = outline.lengthwise
    corners, (right, down) = np.array(lying.corners_px), np.array(lying._sides())
    middle = (size_px - 1) / 2
    width, height = np.hypot(*right), np.hypot(*down)
    if outline.is_tilted:
        across, along = np.array([-1, 1, 1, -1]) * width / 2, np.array([-1, -1, 1, 1]) * height / 2
        straight = np.column_stack([across, along]) + middle
        warp = cv2.getPerspectiveTransform(straight.astype(np.float32), corners.astype(np.float32))
        return np.asarray(warp, np.float64)
    linear = np.column_stack([right / width, down / height])
    shift = corners.mean(axis=0) - linear @ (middle, middle)
    return np.vstack([np.column_stack([linear, shift]), (0, 0, 1)])


def iou(polygon_a_px: object, polygon_b_px: object) -> float:
    """Return the intersection over union, in [0, 1], of two simple polygons, convex or not.

    Each is a sequence of at least three (x, y). Both are rasterised on one grid of up to 2048 cells a side that spans
    them, so the result is accurate to about 0.001 at any size. It is 0 if neither has an area.
    """
    polygons = [np.asarray(polygon, dtype=np.float64).reshape(-1, 2) for polygon in (polygon_a_px, polygon_b_px)]
    if any(len(polygon) < 3 for polygon in polygons):
        raise ValueError("a polygon needs at least three corners")
    together = np.concatenate(polygons)
    low = together.min(axis=0)
    cells = IOU_CELLS / max(float((together.max(axis=0) - low).max()), 1e-9)
    a, b = (_raster((polygon - low) * cells) for polygon in polygons)
    union = np.count_nonzero(a | b)
    return float(np.count_nonzero(a & b) / union) if union else 0.0


def _raster(polygon: Points) -> Pixels:
    filled = np.zeros((IOU_CELLS + 1, IOU_CELLS + 1), np.uint8)
    vertices = np.round(polygon * 2**IOU_BITS).astype(np.int32)
    cv2.fillPoly(filled, [vertices], (1,), shift=IOU_BITS)
    return filled
