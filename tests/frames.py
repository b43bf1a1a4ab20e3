"""Small frames of the renderer, and what their ground truth says."""

from typing import Any

import cv2
import numpy as np

from fabgan.components.ingest.renderer import FrameTruth, RendererParameters

SMALL: dict[str, Any] = {
    "frame_width_px": 800,
    "frame_height_px": 600,
    "products": 6,
    "frames_per_lot": 3,
    "min_balls_per_side": 6,
    "max_balls_per_side": 9,
    "max_angle_deg": 180,
    "min_body_share": 0.5,
    "max_body_share": 0.65,
    "defect_share": 0.0,
    "grey": False,
}


def small(**changes: Any) -> RendererParameters:
    return RendererParameters(**(SMALL | changes))


def inside(truth: FrameTruth, x_px: float, y_px: float) -> bool:
    outline = np.array(truth.outline_px, dtype=np.float32)
    return cv2.pointPolygonTest(outline, (x_px, y_px), False) >= 0
