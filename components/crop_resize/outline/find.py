"""Find the one package in a photograph.

The rough search finds the one compact object that differs from the background. The precise search finds each side: the
straight line across which the colour changes most. Both work on a reduced copy of the frame, whose pixels are "cells".
"""

import math
from functools import lru_cache, partial

import cv2
import numpy as np
from numpy.typing import NDArray

from ...core.errors import UnusableImageError
from ...core.images import Pixels
from .background import Border, View, view_of
from .body import whole_body
from .doubt import has_sharp_sides, refuse_part, refuse_plain
from .flanks import leave_out_flanks
from .gaps import refuse_frame, refuse_several
from .geometry import TILTED_DEG, Map, Outline, Points, keystone_deg, outline_from_corners, side_lengths
from .sides import around, follow_sides, free_sides, refine_sides

WORK_SIZE_CELLS = 1000
"""Maximum length of the reduced copy's longer side. Sides are found to a small fraction of a cell."""
LEAST_CELLS = 32
MAX_ELONGATION = 20
"""Of a photograph, its longer side relative to the shorter one."""
MIN_FRAME_SHARE = 0.005
MIN_SIDE_SHARE = 0.03
"""Minimum side of a package, as a share of the frame's shorter side. Hairs and the edges of trays are thinner."""
MAX_ASPECT = 5.5
"""Maximum ratio of a package's sides. Narrow dual in-line packages of 28 pins reach 5; rulers and bars are longer."""
MIN_RECTANGULARITY = 0.85
RIVAL_SHARE, FAINT_RIVAL_SHARE = 0.4, 0.1
"""Maximum area of a second object relative to the largest one; the second is for a search that sees faint objects in
part."""
BODY_ROUNDS = 3
FINE_ROUNDS = ((0.03, 0.02), (0.02, 0.01))
ATTEMPTS: tuple[tuple[Border, float], ...] = (
    ("whole", 0.7),
    ("whole", 0.0),
    ("left and right", 0.7),
    ("top and bottom", 0.7),
)
"""What the background is read from, and the threshold as a share of Otsu's, of each attempt. A bright marking lifts
Otsu's threshold above a dark body. A package that fills the frame leaves background at two borders only."""
TILT_SHARE = 0.02
"""Reach around a side, as a share of the shorter side, in which it is seen whether the camera was tilted."""
MIN_TILT_CELLS = 1.0
"""Minimum difference of opposite sides, as vectors, of a package that the camera saw tilted."""
DECIMALS = 2
"""Of corners in pixels. The last bits of floating-point results differ between machines; the crop must not depend on
them."""

Mask = NDArray[np.uint8]


def find_outline(image: Pixels) -> Outline:
    """Return the outline of the package in a photograph, uint8, H x W or H x W x 3 (RGB).

    Raises UnusableImageError, with the reason, unless exactly one package lies completely inside the frame.
    """
    if min(image.shape[:2]) < LEAST_CELLS:
        raise UnusableImageError(f"the photograph is less than {LEAST_CELLS} pixels wide or high")
    if max(image.shape[:2]) > MAX_ELONGATION * min(image.shape[:2]):
        raise UnusableImageError(f"the photograph is more than {MAX_ELONGATION} times longer than wide")
    work, scale = _reduce(image)
    view, reasons = lru_cache(maxsize=1)(partial(view_of, work)), list[str]()
    for border, share in ATTEMPTS:
        try:
            corners = _corners(view(border), share)
        except UnusableImageError as error:
            reasons.append(str(error))
        except np.linalg.LinAlgError:
            reasons.append("no package found: too little background, or sides that do not meet")
        else:
            # A cell is a block of `scale` pixels; the centre of the block is the centre of the cell.
            return outline_from_corners(np.round((corners + 0.5) * scale - 0.5, DECIMALS))
    raise UnusableImageError(reasons[0])


def _corners(view: View, otsu_share: float) -> Points:
    """Return the corners (4 x 2, clockwise) of the package, in cells."""
    corners = refine_sides(view.residual, _rough_corners(view.residual, otsu_share))
    _refuse_outside(corners, view.residual.shape)
    corners = _seen_tilted(view, _whole(view, corners))
    _refuse_thin(corners, view.residual.shape)
    _refuse_long(corners)
    refuse_part(view, corners)
    refuse_frame(view, corners)
    refuse_several(view, corners)
    refuse_plain(view, corners)
    return leave_out_flanks(view, corners)


def _whole(view: View, corners: Points) -> Points:
    """Return the corners of the whole body that four found sides belong to.

    If the search turns in a circle, it is the largest one of it, because no package may lose a part.
    """
    seen = [corners]
    for _ in range(BODY_ROUNDS):
        body, by_edges = whole_body(view, seen[-1])
        if body is seen[-1]:
            return body
        # The lightness would lead from a side in shadow to the edge of the shadow, or from a rim to the frame's border.
        seen.append(body if by_edges else refine_sides(view.residual, body, FINE_ROUNDS))
        _refuse_outside(seen[-1], view.residual.shape)
    return max(seen, key=lambda found: float(cv2.contourArea(found.astype(np.float32))))


def _seen_tilted(view: View, corners: Points) -> Points:
    """Return the quadrilateral (4 x 2) that a tilted camera shows, else the parallelogram `corners`.

    Raises UnusableImageError if neither has sharp sides, or if the quadrilateral leaves the frame.
    """
    parallel = start = corners
    if not has_sharp_sides(view, corners):
        start = free_sides(view.residual, corners)
        _refuse_outside(start, view.residual.shape)
        if not has_sharp_sides(view, start):
            raise UnusableImageError("no package found: a side of the object is not a sharp, straight edge")
        parallel = around(start)
    tilted = follow_sides(view.residual, start, TILT_SHARE)
    if not _is_tilted(tilted):
        return parallel
    body, by_edges = whole_body(view, tilted)
    tilted = body if by_edges else follow_sides(view.residual, body)
    if not has_sharp_sides(view, tilted):
        return parallel
    _refuse_outside(tilted, view.residual.shape)
    return tilted


def _is_tilted(corners: Points) -> bool:
    a, b, c, d = corners
    return keystone_deg(corners) >= TILTED_DEG and float(np.hypot(*(a - b + c - d))) >= MIN_TILT_CELLS


def _reduce(image: Pixels) -> tuple[Pixels, Points]:
    """Return the reduced copy, and the number of pixels per cell along x and y."""
    height, width = image.shape[:2]
    # Averaging over whole factors is many times faster.
    factor = math.ceil(max(height, width) / WORK_SIZE_CELLS)
    size = (round(width / factor), round(height / factor))
    work = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return np.asarray(work, np.uint8), np.array([width / size[0], height / size[1]])


def _rough_corners(residual: Map, otsu_share: float) -> Points:
    """Return four clockwise corners around the only large object that is not background."""
    distance = np.sqrt(np.einsum("yxc,yxc->yx", residual, residual))
    distance = np.asarray(cv2.GaussianBlur(distance, (0, 0), 1.5), np.float32)
    mask = _close((distance > _threshold(distance, otsu_share)).astype(np.uint8))
    count, labels, stats, _ = cv2.connectedComponentsWithStats(mask)
    areas = stats[1:, cv2.CC_STAT_AREA]
    if count < 2 or areas.max() < MIN_FRAME_SHARE * mask.size:
        raise UnusableImageError("no package found: nothing large enough differs from the background")
    order = np.argsort(areas)[::-1] + 1
    component = (labels == order[0]).astype(np.uint8)
    corners, rectangularity = _rectangle(component)
    _refuse_thin(corners, mask.shape)
    if rectangularity < MIN_RECTANGULARITY:
        _refuse_cut(component)
        raise UnusableImageError("no package found: the object on the background is not a rectangle")
    rival_share = RIVAL_SHARE if otsu_share else FAINT_RIVAL_SHARE
    if count > 2 and areas[order[1] - 1] > rival_share * areas[order[0] - 1]:
        raise UnusableImageError("more than one object in the frame could be the package")
    return corners


def _threshold(distance: Map, otsu_share: float) -> float:
    """Return the distance above which a cell is not background."""
    shown = np.clip(distance * 8, 0, 255).astype(np.uint8)
    otsu, _ = cv2.threshold(shown, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return max(5.0, float(otsu) / 8 * otsu_share)


def _close(mask: Mask) -> Mask:
    """Join balls and lettering with the body around them, and remove specks."""
    size = max(3, round(0.01 * max(mask.shape)) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size))
    padded = cv2.copyMakeBorder(mask, size, size, size, size, cv2.BORDER_REPLICATE)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, kernel)
    opened = cv2.morphologyEx(closed, cv2.MORPH_OPEN, kernel)
    return np.asarray(opened[size:-size, size:-size], np.uint8)


def _rectangle(component: Mask) -> tuple[Points, float]:
    """Return the smallest rectangle around a component, and the share of it that the component's hull fills."""
    contours, _ = cv2.findContours(component, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    hull = cv2.convexHull(np.concatenate(contours))
    rectangle = cv2.minAreaRect(hull)
    area = max(math.prod(rectangle[1]), 1.0)
    corners = np.asarray(cv2.boxPoints(rectangle), np.float64)
    first, second = corners[1] - corners[0], corners[2] - corners[1]
    clockwise = first[0] * second[1] - first[1] * second[0] > 0
    return corners if clockwise else corners[::-1], float(cv2.contourArea(hull)) / area


def _refuse_thin(corners: Points, shape: tuple[int, ...]) -> None:
    if np.hypot(*(corners[1:3] - corners[:2]).T).min() < MIN_SIDE_SHARE * min(shape[:2]):
        raise UnusableImageError("no package found: the object on the background is too thin")


def _refuse_long(corners: Points) -> None:
    lengths = side_lengths(corners)
    if lengths.max() > MAX_ASPECT * lengths.min():
        raise UnusableImageError(f"no package found: the object is more than {MAX_ASPECT} times longer than wide")


def _refuse_outside(corners: Points, shape: tuple[int, ...]) -> None:
    """Refuse a package with corners beyond the frame, or with a side that is the frame's border."""
    height, width = shape[:2]
    (left, top), (right, bottom) = corners.min(axis=0), corners.max(axis=0)
    _refuse_borders(left < 1, top < 1, right > width - 2, bottom > height - 2)


def _refuse_cut(component: Mask) -> None:
    """Refuse a component that touches the frame's border."""
    _refuse_borders(component[:, 0].any(), component[0].any(), component[:, -1].any(), component[-1].any())


def _refuse_borders(*cut: bool | np.bool_) -> None:
    borders = [name for name, is_cut in zip(("left", "top", "right", "bottom"), cut, strict=True) if is_cut]
    if borders:
        where = f"the frame's {' and '.join(borders)} border"
        raise UnusableImageError(f"the package is cut by {where}, or something reaches from the one to the other")
