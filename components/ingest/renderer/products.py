"""Package products: ball array, colours and light, all drawn from the seed and the product's number."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from .noise import stream
from .parameters import RendererParameters

Colour = tuple[float, float, float]
"""Red, green, blue in [0, 255] under full light."""

PRODUCT_STREAM = 1
PATTERNS = ("full", "perimeter", "perimeter_and_centre", "no_corners", "thinned")

MASK_COLOURS: dict[str, Colour] = {
    "green": (44.0, 88.0, 60.0),
    "dark_green": (40.0, 72.0, 46.0),
    "blue": (48.0, 72.0, 104.0),
    "black": (68.0, 69.0, 71.0),
    "brown": (98.0, 78.0, 56.0),
}
GOLD: Colour = (214.0, 176.0, 96.0)
WHITE: Colour = (226.0, 226.0, 218.0)
TIN: Colour = (150.0, 150.0, 146.0)


@dataclass(frozen=True)
class RingLight:
    """The reflection of the ring light on a ball. Radii are shares of the ball's radius."""

    radius: float
    width: float
    leds: int
    led_contrast: float
    spot_radius: float
    spot_level: float


@dataclass(frozen=True, eq=False)
class Product:
    """One package product. Lengths are in ball pitches unless stated otherwise."""

    name: str
    number: int
    populated: NDArray[np.bool_]
    """True for each site that carries a ball, rows x columns."""
    body_share: float
    """The longer side as a share of the frame's shorter side."""
    edge: float
    """Distance from the body's edge to the centre of the outermost balls."""
    ball_radius: float
    pad_radius: float
    """Radius of the opening in the solder mask. A ball hides an opening that is smaller than itself."""
    mask_colour: Colour
    copper_gain: float
    """Brightness of copper under the mask, as a multiple of the mask's."""
    pad_colour: Colour
    mark: str
    """`triangle` or `dot`."""
    mark_colour: Colour
    light: RingLight


def draw_product(parameters: RendererParameters, seed: int, number: int) -> Product:
    """Return product `number` of the series of `seed`."""
    rng = stream(seed, PRODUCT_STREAM, number)
    rows, columns = _array_size(parameters, rng)
    ball_radius = rng.uniform(0.29, 0.34)
    return Product(
        name=f"product-{number:02d}",
        number=number,
        populated=populate(PATTERNS[rng.integers(len(PATTERNS))], rows, columns, rng),
        body_share=rng.uniform(parameters.min_body_share, parameters.max_body_share),
        edge=rng.uniform(0.85, 1.15),
        ball_radius=ball_radius,
        pad_radius=ball_radius * rng.uniform(0.86, 1.12),
        mask_colour=_mask_colour(rng),
        copper_gain=rng.uniform(1.15, 1.38),
        pad_colour=GOLD if rng.random() < 0.5 else TIN,
        mark="triangle" if rng.random() < 0.6 else "dot",
        mark_colour=GOLD if rng.random() < 0.6 else WHITE,
        light=_ring_light(rng),
    )


def populate(pattern: str, rows: int, columns: int, rng: Generator) -> NDArray[np.bool_]:
    """Return which sites carry a ball in one of PATTERNS: bool, rows x columns."""
    row, column = np.mgrid[:rows, :columns]
    # 0 on the outermost ring of sites, 1 on the next one, and so on inwards.
    depth = np.minimum(np.minimum(row, rows - 1 - row), np.minimum(column, columns - 1 - column))
    shorter = min(rows, columns)
    populated = np.ones((rows, columns), dtype=np.bool_)
    if pattern.startswith("perimeter"):
        rings = int(rng.integers(2, max(3, shorter // 3 + 1)))
        populated = depth < rings
        if pattern == "perimeter_and_centre":
            populated |= depth >= rings + 1
    elif pattern == "no_corners":
        populated[np.ix_([0, -1], [0, -1])] = False
    elif pattern == "thinned":
        populated = (depth < 2) | (rng.random((rows, columns)) > 0.15)
    return populated


def _array_size(parameters: RendererParameters, rng: Generator) -> tuple[int, int]:
    min_balls, max_balls = parameters.min_balls_per_side, parameters.max_balls_per_side
    longer = int(rng.integers(min_balls, max_balls + 1))
    square = rng.random() < 0.6
    shorter = longer if square else max(min_balls, round(longer * rng.uniform(0.7, 0.95)))
    return (longer, shorter) if rng.random() < 0.5 else (shorter, longer)


def _mask_colour(rng: Generator) -> Colour:
    base = list(MASK_COLOURS.values())[rng.integers(len(MASK_COLOURS))]
    lightness = rng.uniform(0.92, 1.12)
    red, green, blue = (float(level * lightness * rng.uniform(0.95, 1.05)) for level in base)
    return (red, green, blue)


def _ring_light(rng: Generator) -> RingLight:
    return RingLight(
        radius=rng.uniform(0.56, 0.68),
        width=rng.uniform(0.13, 0.22),
        leds=int(rng.integers(24, 49)),
        led_contrast=rng.uniform(0.03, 0.2),
        spot_radius=rng.uniform(0.07, 0.12),
        spot_level=rng.uniform(0.35, 0.9),
    )
