"""Render one frame. Every random choice comes from a stream of its own, so frames do not depend on each other."""

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from ...core.images import Pixels
from .camera import draw_lighting, draw_tray, photograph, place_body, scatter_dust
from .defects import Spoiled, changed, draw_kind, overlay, spoil_balls
from .layout import Pose, body_of, draw_pose
from .noise import stream
from .parameters import RendererParameters
from .products import Product, draw_product
from .shading import BallLook, draw_look, stamp_ball
from .substrate import draw_substrate
from .truth import GOOD, Ball, Defect, FrameTruth, Point

LOT_STREAM = 3
FRAME_STREAM = 4
POSE, TRAY, SUBSTRATE, BALLS, DEFECT, DUST, LIGHTING, SENSOR = range(8)
"""The random streams of a frame, one per stage, so that a defect changes nothing else in its frame."""


@dataclass(frozen=True, eq=False)
class RenderedFrame:
    """A frame with its ground truth."""

    image: Pixels
    """Pixels in [0, 255], H x W x 3 (RGB), or H x W if `RendererParameters.grey`."""
    truth: FrameTruth
    mask: Pixels | None = None
    """H x W: 1 where the defect has changed the package, else 0. None if it was not asked for."""


def kind_of_frame(parameters: RendererParameters, seed: int, index: int) -> str | None:
    """Return the class of the defect of a frame, or None for a good package, without rendering it."""
    return draw_kind(parameters.defect_share, stream(seed, FRAME_STREAM, index, DEFECT))


def render_frame(parameters: RendererParameters, seed: int, index: int, with_mask: bool = False) -> RenderedFrame:
    """Return frame `index` of the series of `seed`; both are 0 or more.

    With a `defect_share` of 0, it is the same frame without its defect.
    """
    lot = index // parameters.frames_per_lot
    number = int(stream(seed, LOT_STREAM, lot, 0).integers(parameters.products))
    product = draw_product(parameters, seed, number)
    rngs = [stream(seed, FRAME_STREAM, index, stage) for stage in range(8)]
    pose = draw_pose(body_of(product, parameters), parameters, rngs[POSE])
    lighting = draw_lighting(stream(seed, LOT_STREAM, lot, 1), rngs[LIGHTING])

    scene = draw_tray(parameters.frame_width_px, parameters.frame_height_px, pose, lighting, rngs[TRAY])
    place_body(scene, draw_substrate(product, pose.body, seed, rngs[SUBSTRATE]), pose)
    kind = draw_kind(parameters.defect_share, rngs[DEFECT])
    looks = _draw_balls(product, pose, rngs[BALLS])
    spoiled = spoil_balls(kind, looks, rngs[DEFECT]) if kind else Spoiled(looks, ())
    good = _with_balls(scene.copy(), product, looks) if with_mask else scene
    _with_balls(scene, product, spoiled.looks)
    defects = (overlay(kind, scene, pose, spoiled.touched, rngs[DEFECT]),) if kind else ()
    mask = changed(good, scene, pose.body.pitch_px) if with_mask else None
    scatter_dust(scene, rngs[DUST])

    image = photograph(scene, lighting, parameters.grey, rngs[SENSOR])
    return RenderedFrame(image, _truth(f"lot-{lot:04d}", product, pose, spoiled.looks, defects), mask)


def _with_balls(scene: Pixels, product: Product, looks: tuple[BallLook, ...]) -> Pixels:
    """Draw balls on the package; return the scene."""
    for look in looks:
        stamp_ball(scene, look, product.light, product.mask_colour)
    return scene


def _draw_balls(product: Product, pose: Pose, rng: Generator) -> tuple[BallLook, ...]:
    pitch_px = pose.body.pitch_px
    looks = []
    for row, column in np.argwhere(product.populated):
        site = np.array([pose.body.site(row, column)]) + rng.normal(0, 0.012 * pitch_px, (1, 2))
        x_px, y_px = pose.to_frame(site)[0]
        radius_px = product.ball_radius * pitch_px * rng.uniform(0.96, 1.04)
        looks.append(draw_look(Ball(float(x_px), float(y_px), radius_px, int(row), int(column)), rng))
    return tuple(looks)


def _truth(
    lot: str, product: Product, pose: Pose, looks: tuple[BallLook, ...], defects: tuple[Defect, ...]
) -> FrameTruth:
    first, second, third, fourth = (_point(corner) for corner in pose.to_frame(pose.body.corners))
    return FrameTruth(
        lot=lot,
        product=product.name,
        label=defects[0].kind if defects else GOOD,
        outline_px=(first, second, third, fourth),
        angle_deg=pose.angle_deg,
        balls=tuple(look.ball for look in looks),
        defects=defects,
    )


def _point(corner: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> Point:
    return (float(corner[0]), float(corner[1]))
