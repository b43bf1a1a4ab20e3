"""Solder balls under a ring light: mirror-like spheres that reflect the ring and are dark elsewhere.

At the distance rho (in radii) from the centre of a sphere, a viewer above it sees the direction 2 asin(rho) from the
vertical. That is the lens in the middle, then the ring light, and the substrate beyond rho = 0.71 = sin(45 degrees).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator

from ...core.images import Pixels
from .noise import TILE_PX, Floats, cloud_tile
from .products import Colour, RingLight
from .truth import Ball

HALO = 1.55
"""Radius, in radii of the ball, within which a ball darkens the substrate."""
GRAIN_TEXELS = 70
"""Pixels of the texture tile across one ball, which set the grain of its surface."""
METAL = np.array([1.0, 0.995, 0.97], dtype=np.float32)


@dataclass(frozen=True)
class BallLook:
    """One ball, with the properties in which it differs from the others."""

    ball: Ball
    height: float
    """In standard deviations from the mean; a higher ball shows a larger ring."""
    squeeze: float
    """Ratio of the longer to the mean axis of its outline, 1 for a circle."""
    squeeze_angle_rad: float
    dent: float
    """Deviation of its surface from a sphere, 0 to 1."""
    phase_rad: float
    """Rotation of the pattern of the LEDs and of the brighter side."""


def draw_look(ball: Ball, rng: Generator) -> BallLook:
    """Return a ball without defects, with the small variations of real balls."""
    return BallLook(
        ball=ball,
        height=float(np.clip(rng.standard_normal(), -2.5, 2.5)),
        squeeze=1 + rng.uniform(0, 0.02),
        squeeze_angle_rad=rng.uniform(0, math.pi),
        dent=rng.uniform(0.0, 0.06),
        phase_rad=rng.uniform(0, 2 * math.pi),
    )


def stamp_ball(scene: Pixels, look: BallLook, light: RingLight, surroundings: Colour) -> None:
    """Draw a ball into a frame, H x W x 3; `surroundings` is the substrate's colour, which its flanks reflect."""
    ball = look.ball
    reach_px = math.ceil(HALO * ball.radius_px) + 1
    left, top = max(0, round(ball.x_px) - reach_px), max(0, round(ball.y_px) - reach_px)
    patch = scene[top : round(ball.y_px) + reach_px + 1, left : round(ball.x_px) + reach_px + 1]
    x = np.arange(patch.shape[1], dtype=np.float32)[None, :] + np.float32(left - ball.x_px)
    y = np.arange(patch.shape[0], dtype=np.float32)[:, None] + np.float32(top - ball.y_px)
    rho = _distance(x, y, look)
    cover = np.clip((1 - rho) * ball.radius_px + 0.5, 0, 1)[..., None]
    ground = patch * _contact_shadow(rho)[..., None]
    metal = _reflections(rho, x, y, look, light, surroundings)
    patch[:] = np.rint(ground + (metal - ground) * cover).astype(np.uint8)


def _distance(x: Floats, y: Floats, look: BallLook) -> Floats:
    """Return the distance from the ball's centre as a share of its radius in that direction."""
    cosine, sine = math.cos(look.squeeze_angle_rad), math.sin(look.squeeze_angle_rad)
    along = (cosine * x + sine * y) / (look.ball.radius_px * look.squeeze)
    across = (cosine * y - sine * x) * look.squeeze / look.ball.radius_px
    return np.asarray(np.sqrt(along * along + across * across), dtype=np.float32)


def _contact_shadow(rho: Floats) -> Floats:
    fade = np.clip((HALO - rho) / (HALO - 1), 0, 1)
    return np.asarray(1 - 0.6 * fade * fade, dtype=np.float32)


def _reflections(rho: Floats, x: Floats, y: Floats, look: BallLook, light: RingLight, surroundings: Colour) -> Floats:
    """Return what the ball reflects, H x W x 3, in [0, 255]."""
    grain = _grain(rho.shape, look)
    azimuth = np.arctan2(y, x) + np.float32(look.phase_rad)
    bent = rho + 0.012 * grain + _dents(rho, azimuth, look)
    ring = _ring(bent, azimuth, look, light)
    spot = light.spot_level * band(bent, 0.0, light.spot_radius, 0.08)
    # Solder is not a perfect mirror: a little light from the ring scatters over the whole ball.
    inside = np.clip(rho, 0, 1)
    scattered = 0.10 + 0.11 * band(bent, light.radius, 0.10, 0.5) + 0.08 * np.sqrt(1 - inside * inside)
    barrel = 0.10 * band(bent, 0.30, 0.03, 0.14)
    flank = 0.5 * band(bent, 0.86, 0.03, 0.14)
    white = (scattered + barrel + ring + spot) * (1 + 0.09 * grain) * 255
    tinted = flank[..., None] * np.asarray(surroundings, dtype=np.float32)
    return np.asarray(np.clip(white[..., None] * METAL + tinted, 0, 255), dtype=np.float32)


def _dents(rho: Floats, azimuth: Floats, look: BallLook) -> Floats:
    """Return the shift of the reflection by dents, in radii. The outline does not move."""
    waves = 0.20 * np.cos(2 * azimuth) + 0.13 * np.cos(3 * azimuth + 1) - 0.16
    return np.asarray(look.dent * waves * np.sin(math.pi * np.clip(rho, 0, 1)), dtype=np.float32)


def _ring(rho: Floats, azimuth: Floats, look: BallLook, light: RingLight) -> Floats:
    radius = light.radius * (1 + 0.02 * look.height)
    beads = 1 - light.led_contrast * (0.5 + 0.5 * np.cos(light.leds * azimuth))
    uneven = 0.9 + 0.1 * np.cos(azimuth)
    return np.asarray(band(rho, radius, light.width / 2, 0.09) * beads * uneven, dtype=np.float32)


def band(rho: Floats, middle: float, half_width: float, softness: float) -> Floats:
    """Return 1 within `half_width` of `middle`, falling smoothly to 0 over `softness`."""
    edge = np.clip((half_width - np.abs(rho - middle)) / softness + 0.5, 0, 1)
    return np.asarray(edge * edge * (3 - 2 * edge), dtype=np.float32)


def _grain(shape: tuple[int, ...], look: BallLook) -> Floats:
    """Return the unevenness of the ball's surface, mean 0, standard deviation 1."""
    rows = np.arange(shape[0]) * GRAIN_TEXELS // shape[0] + int(look.phase_rad * 7919) % TILE_PX
    columns = np.arange(shape[1]) * GRAIN_TEXELS // shape[1] + int(look.squeeze_angle_rad * 7919) % TILE_PX
    cut = cloud_tile()[np.ix_(rows % TILE_PX, columns % TILE_PX)]
    return np.asarray((cut.astype(np.float32) - 128) / 40, dtype=np.float32)
