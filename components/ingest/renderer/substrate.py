"""The package's substrate without balls: solder mask, copper under it, pads, and the pin-1 mark.

Images are in body coordinates, H x W x 3 or H x W, uint8.
"""

import cv2
import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from ...core.images import Pixels
from .layout import Body, Points
from .noise import clouds, stream
from .products import Colour, Product

SUBPIXEL_BITS = 4
COPPER_STREAM = 2
Route = list[tuple[float, float]]
"""A trace through (row, column) positions. Whole numbers are ball sites."""
LANES = (-0.12, -0.04, 0.04, 0.12)
"""Positions of the traces in the channel between two rows of balls, in pitches from its middle."""


def draw_substrate(product: Product, body: Body, seed: int, rng: Generator) -> Pixels:
    """Return the image of a body. Its copper depends on the product, its texture on the single package."""
    copper = _copper(product, body, stream(seed, COPPER_STREAM, product.number))
    image = _mask_over_copper(product, body, copper)
    _draw_edge(image, product, body)
    _draw_pads(image, product, body, rng)
    _draw_mark(image, product, body)
    return _mottled(image, body.pitch_px, rng)


def fill_disc(image: Pixels, centre: tuple[float, float], radius_px: float, colour: Colour | int) -> None:
    """Draw an antialiased disc at a subpixel position."""
    scale = 1 << SUBPIXEL_BITS
    place = (round(centre[0] * scale), round(centre[1] * scale))
    cv2.circle(image, place, max(1, round(radius_px * scale)), _scalar(colour), -1, cv2.LINE_AA, SUBPIXEL_BITS)


def draw_line(image: Pixels, points: Points, width_px: float, colour: Colour | int) -> None:
    """Draw an antialiased line through points, N x 2."""
    fixed = np.rint(points * (1 << SUBPIXEL_BITS)).astype(np.int32)
    thickness = max(1, round(width_px))
    cv2.polylines(image, [fixed], False, _scalar(colour), thickness, cv2.LINE_AA, SUBPIXEL_BITS)


def fill_polygon(image: Pixels, points: Points, colour: Colour | int) -> None:
    """Fill an antialiased polygon, N x 2."""
    fixed = np.rint(points * (1 << SUBPIXEL_BITS)).astype(np.int32)
    cv2.fillPoly(image, [fixed], _scalar(colour), cv2.LINE_AA, SUBPIXEL_BITS)


def _scalar(colour: Colour | int) -> tuple[float, ...]:
    return (float(colour),) if isinstance(colour, int) else colour


def _copper(product: Product, body: Body, rng: Generator) -> Pixels:
    """Return the coverage by copper under the solder mask, 0 to 255."""
    copper = np.zeros((body.height_px, body.width_px), dtype=np.uint8)
    _draw_planes(copper, body, rng)
    sites = np.argwhere(product.populated)
    routes = [_dog_bone(product, site, rng) for site in sites] + _bundles(product, rng)
    lines = [np.array([body.site(row, column) for row, column in route]) for route in routes]
    for line in lines:
        draw_line(copper, line, 0.085 * body.pitch_px, 0)
    for line in lines:
        draw_line(copper, line, 0.03 * body.pitch_px, 255)
    for row, column in sites:
        fill_disc(copper, body.site(row, column), (product.pad_radius + 0.08) * body.pitch_px, 0)
        fill_disc(copper, body.site(row, column), (product.pad_radius + 0.04) * body.pitch_px, 255)
    for line in lines[: len(sites)]:
        draw_line(copper, line[:2], 0.05 * body.pitch_px, 255)
        _draw_via(copper, line[1], body.pitch_px)
    return copper


def _draw_planes(copper: Pixels, body: Body, rng: Generator) -> None:
    """Draw copper areas, with the degassing holes of large areas."""
    size_px = np.array([body.width_px, body.height_px])
    for _ in range(int(rng.integers(2, 5))):
        low = rng.uniform(0.03, 0.6, size=2)
        high = np.minimum(low + rng.uniform(0.2, 0.6, size=2), 0.97)
        cut = min(high - low) * rng.uniform(0.1, 0.3)
        outline = np.array(
            [
                [low[0] + cut, low[1]],
                [high[0], low[1]],
                [high[0], high[1] - cut],
                [high[0] - cut, high[1]],
                [low[0], high[1]],
                [low[0], low[1] + cut],
            ]
        )
        fill_polygon(copper, outline * size_px, 255)
    step_px = body.pitch_px / 3
    for x_px in np.arange(body.first_x_px + step_px / 2, body.width_px, step_px):
        for y_px in np.arange(body.first_y_px + step_px / 2, body.height_px, step_px):
            fill_disc(copper, (x_px, y_px), 0.035 * body.pitch_px, 0)


def _dog_bone(product: Product, site: NDArray[np.intp], rng: Generator) -> Route:
    """Return the trace from a ball's pad to its via between four balls, and from there to the body's edge."""
    rows, columns = product.populated.shape
    row, column = float(site[0]), float(site[1])
    down = 0.5 if row >= rows / 2 else -0.5
    right = 0.5 if column >= columns / 2 else -0.5
    route = [(row, column), (row + down, column + right)]
    if rng.random() < 0.35:
        return route
    lane = LANES[rng.integers(len(LANES))]
    length = rng.uniform(0.5, max(rows, columns) * 0.6)
    if min(column, columns - 1 - column) < min(row, rows - 1 - row):
        turn = (row + down + lane, column + 1.5 * right)
        return [*route, turn, (turn[0], turn[1] + 2 * right * length)]
    turn = (row + 1.5 * down, column + right + lane)
    return [*route, turn, (turn[0] + 2 * down * length, turn[1])]


def _bundles(product: Product, rng: Generator) -> list[Route]:
    """Return groups of parallel traces that run along one channel and turn into another."""
    rows, columns = product.populated.shape
    routes: list[Route] = []
    for _ in range((rows + columns) // 2):
        row, column = rng.integers(0, rows - 1) + 0.5, rng.integers(0, columns - 1) + 0.5
        end_row, end_column = rng.choice([-2.0, rows + 1.0]), rng.choice([-2.0, columns + 1.0])
        down, right = np.sign(end_row - row), np.sign(end_column - column)
        for lane in LANES[: int(rng.integers(2, len(LANES) + 1))]:
            inner, outer = row + lane, column + down * right * lane
            corner = 0.16
            routes.append(
                [
                    (inner, end_column),
                    (inner, outer + right * corner),
                    (inner + down * corner, outer),
                    (end_row, outer),
                ]
            )
    return routes


def _draw_via(copper: Pixels, place: Points, pitch_px: float) -> None:
    centre = (place[0], place[1])
    fill_disc(copper, centre, 0.095 * pitch_px, 255)
    fill_disc(copper, centre, 0.042 * pitch_px, 70)


def _mask_over_copper(product: Product, body: Body, copper: Pixels) -> Pixels:
    """Colour the solder mask: lighter over copper, and glossy on the slopes at the copper's edges."""
    softness_px = max(0.4, 0.008 * body.pitch_px)
    soft = cv2.GaussianBlur(copper, (0, 0), softness_px)
    slope = cv2.morphologyEx(soft, cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8))
    lifts = ((product.copper_gain - 1) * level / 255 for level in product.mask_colour)
    planes = [
        cv2.addWeighted(soft, lift, slope, 0.14, level) for lift, level in zip(lifts, product.mask_colour, strict=True)
    ]
    return np.asarray(cv2.merge(planes), dtype=np.uint8)


def _mottled(image: Pixels, pitch_px: float, rng: Generator) -> Pixels:
    """Add fine unevenness to the surface."""
    height_px, width_px = image.shape[:2]
    zoom = pitch_px / 200
    fine = clouds(width_px, height_px, 0.8 * zoom + 0.3, rng)
    coarse = clouds(width_px, height_px, 10 * zoom + 1, rng)
    mottle = cv2.addWeighted(fine, 0.17, coarse, 0.06, 128 * (1 - 0.23))
    return np.asarray(cv2.multiply(image, cv2.merge([mottle] * 3), scale=1 / 128), dtype=np.uint8)


def _draw_edge(image: Pixels, product: Product, body: Body) -> None:
    """Draw the sawn edge of the laminate as a thin lighter line."""
    width_px = max(1, round(0.012 * body.pitch_px))
    red, green, blue = (0.6 * level + 45.0 for level in product.mask_colour)
    corner = (body.width_px - 1, body.height_px - 1)
    cv2.rectangle(image, (0, 0), corner, (red, green, blue), width_px)


def _draw_pads(image: Pixels, product: Product, body: Body, rng: Generator) -> None:
    for row, column in np.argwhere(product.populated):
        centre = body.site(row, column)
        bright = rng.uniform(0.85, 1.0)
        red, green, blue = (bright * level for level in product.pad_colour)
        dark = tuple(0.45 * level for level in product.mask_colour)
        fill_disc(image, centre, (product.pad_radius + 0.012) * body.pitch_px, (dark[0], dark[1], dark[2]))
        fill_disc(image, centre, product.pad_radius * body.pitch_px, (red, green, blue))


def _draw_mark(image: Pixels, product: Product, body: Body) -> None:
    pitch_px = body.pitch_px
    if product.mark == "dot":
        fill_disc(image, (0.34 * pitch_px, 0.34 * pitch_px), 0.17 * pitch_px, product.mark_colour)
        return
    triangle = np.array([[0.12, 0.12], [0.7, 0.12], [0.12, 0.7]]) * pitch_px
    fill_polygon(image, triangle, product.mark_colour)
