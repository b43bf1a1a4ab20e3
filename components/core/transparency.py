"""Transparent pixels. Files keep colours for them that nobody sees.

Dimensions: H W pixels, C channels without that of opacity.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def on_black(values: NDArray[Any], opaque: float) -> NDArray[Any]:
    """Return an image as it looks on black: H x W x C. In addition to C, `values` has the opacity, at most `opaque`."""
    values_HWC, opacity_HW = values[:, :, :-1], values[:, :, -1]
    if opacity_HW.min() < opaque:
        values_HWC = values_HWC.copy()
        for values_WC, opacity_W in zip(values_HWC, opacity_HW, strict=True):  # so that large images need little memory
            values_WC[:] = values_WC * (opacity_W[:, None] / opaque) + 0.5
    return np.ascontiguousarray(values_HWC)
