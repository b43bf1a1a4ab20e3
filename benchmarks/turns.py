"""How well crops of one product are turned alike; a part of `benchmarks.outline`.

Crops are turned by random quarters before they are turned alike. Of rendered frames, pin 1 is known. For photographs,
TURNS names the crop's corner at pin 1.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from fabgan.components.core.errors import UnusableImageError
from fabgan.components.core.images import Pixels
from fabgan.components.crop_resize.duplicates import look_of
from fabgan.components.crop_resize.orient import package_of
from fabgan.components.crop_resize.outline import crop_corners, find_outline, straighten
from fabgan.components.crop_resize.turns import turns_of
from fabgan.components.ingest.renderer import RendererParameters, render_frame

from .photographs import dual_in_line

TURNS = Path(__file__).parent / "dual_in_line_turns.json"
SEED = 21


@dataclass(frozen=True)
class Crop:
    """One crop, and where its first pin is."""

    look: str
    product: str
    is_square: bool
    first_pin: int
    """Number of the crop's corner at pin 1, clockwise from the upper left one."""


@dataclass(frozen=True)
class Agreement:
    """How many crops lie like most of their product."""

    crops: int
    agree: int
    unflagged_wrong: int
    doubtful: int


def agreement(crops: list[Crop]) -> Agreement:
    """Return how crops lie after they were turned alike."""
    looks, products = [crop.look for crop in crops], [crop.product for crop in crops]
    turns = turns_of(looks, products, [crop.is_square for crop in crops])
    lie = [(crop.product, (crop.first_pin + turn.quarters) % 4) for crop, turn in zip(crops, turns, strict=True)]
    usual = _usual(lie)
    right = [usual[product] == at for product, at in lie]
    wrong = sum(not (ok or turn.is_doubtful) for ok, turn in zip(right, turns, strict=True))
    return Agreement(len(crops), sum(right), wrong, sum(turn.is_doubtful for turn in turns))


def _usual(lie: list[tuple[str, int]]) -> dict[str, int]:
    """Return where pin 1 of most crops of each product lies."""
    return {product: at for (product, at), _ in reversed(Counter(lie).most_common())}


def rendered_crops(parameters: RendererParameters, frames: int) -> Iterator[Crop]:
    """Yield crops of rendered frames of three products, turned at random."""
    small = replace(
        parameters, frame_width_px=1200, frame_height_px=900, products=3, max_balls_per_side=24, frames_per_lot=4
    )
    for index in range(frames):
        frame = render_frame(small, SEED, index)
        yield _turned(frame.image, frame.truth.product, frame.truth.outline_px[0], index)


def photographed_crops(folder: Path) -> Iterator[Crop]:
    """Yield crops of the photographs of `dip_package`, turned at random by half turns."""
    first_pins = json.loads(TURNS.read_text(encoding="utf-8"))["first_pin_px"]
    for number, photograph in enumerate(dual_in_line(folder)):
        first_pin = first_pins.get(photograph.path.name)
        if first_pin:
            try:
                yield _turned(photograph.pixels(), "", first_pin, number)
            except UnusableImageError:
                continue


def _turned(image: Pixels, product: str, first_pin_px: object, number: int) -> Crop:
    outline = find_outline(image)
    corners = np.array(crop_corners(outline, 0.0))
    at = int(np.hypot(*(corners - np.asarray(first_pin_px)).T).argmin())
    square = outline.is_square
    quarters = int(np.random.default_rng([SEED, number]).integers(4 if square else 2)) * (1 if square else 2)
    package = package_of(straighten(image, outline, 0.04), outline)
    return Crop(look_of(np.ascontiguousarray(np.rot90(package, -quarters))), product, square, (at + quarters) % 4)
