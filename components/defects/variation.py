"""Random changes of a defect, so that it looks a little different wherever it is made.

Dimensions: H W pixels, C channels.
"""

from dataclasses import dataclass
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from ..core.images import Pixels

MAX_TURN_DEG = 10.0
MAX_SCALING = 0.15


@dataclass(frozen=True)
class Variation:
    """Quarter turns, a mirror image or not, then a turn about the middle and a scaling."""

    quarters: int
    mirror: int
    """-1 for the mirror image, otherwise 1."""
    turn_deg: float = 0.0
    scaling: float = 1.0

    @classmethod
    def flip(cls, random: np.random.Generator) -> Self:
        """Return one that interpolates no pixel, at random."""
        return cls(int(random.integers(4)), int(random.choice([1, -1])))

    @classmethod
    def drawn(cls, random: np.random.Generator) -> Self:
        """Return any, at random."""
        flip = cls.flip(random)
        turn_deg, scaling = random.uniform(-1, 1, 2) * (MAX_TURN_DEG, MAX_SCALING)
        return cls(flip.quarters, flip.mirror, float(turn_deg), float(1 + scaling))

    def of_pixels(self, pixels_HWC: Pixels) -> Pixels:
        """Return an image, varied. Where it ends, it is mirrored."""
        flipped_HWC = self.flipped(pixels_HWC)
        turned = self._turned(flipped_HWC, cv2.INTER_LINEAR, cv2.BORDER_REFLECT_101)
        return turned.reshape(flipped_HWC.shape).astype(np.uint8)

    def of_mask(self, mask_HW: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return a mask, varied."""
        flipped_HW = self.flipped(mask_HW).astype(np.uint8)
        return self._turned(flipped_HW, cv2.INTER_NEAREST, cv2.BORDER_CONSTANT) > 0

    def flipped(self, map_: NDArray[Any]) -> NDArray[Any]:
        """Return an image or a mask after the quarter turns and the mirror alone."""
        return np.ascontiguousarray(np.rot90(map_, self.quarters)[:, :: self.mirror])

    def _turned(self, map_: NDArray[Any], interpolation: int, border: int) -> NDArray[Any]:
        if (self.turn_deg, self.scaling) == (0.0, 1.0):
            return map_
        height_px, width_px = map_.shape[:2]
        matrix = cv2.getRotationMatrix2D(((width_px - 1) / 2, (height_px - 1) / 2), self.turn_deg, self.scaling)
        return np.asarray(cv2.warpAffine(map_, matrix, (width_px, height_px), flags=interpolation, borderMode=border))
