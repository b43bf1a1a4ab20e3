"""How well packages are straightened that a tilted camera shows: `python -m benchmarks.tilt [--frames N]`.

Rendered frames are warped as a camera with a focal length of the frame's longer side sees them when it is tilted about
a random axis. Each line is JSON of one tilt: the agreement of the found outlines with the true ones, the largest error
of a corner as a share of the package's longer side, and the largest share of a package that its crop leaves out.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from fabgan.components.core.images import Pixels
from fabgan.components.core.progress import Progress
from fabgan.components.crop_resize.outline import Outline, crop_corners, find_outline, iou
from fabgan.components.crop_resize.outline.geometry import keystone_deg
from fabgan.components.ingest.renderer import render_frame

from .outline import MARGIN_SHARE, PARAMETERS, SEED, lost_share

TILTS_DEG = (0, 1, 2, 3, 5, 7, 10)
SMALL = replace(PARAMETERS, frame_width_px=1600, frame_height_px=1200, max_balls_per_side=36, max_body_share=0.6)

Points = NDArray[np.float64]


def tilted(image: Pixels, corners: Points, tilt_deg: float, axis_deg: float) -> tuple[Pixels, Points]:
    """Return a frame, and points in it (N x 2), as a camera shows them that is tilted about an axis in the frame."""
    warp = _homography(image.shape[:2], tilt_deg, axis_deg)
    size = image.shape[1::-1]
    shown = cv2.warpPerspective(image, warp, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(shown, np.uint8), tilted_points(corners, image.shape[:2], tilt_deg, axis_deg)


def tilted_points(points: Points, shape: tuple[int, ...], tilt_deg: float, axis_deg: float) -> Points:
    """Return points (N x 2) of a frame of shape (height, width) as the tilted camera shows them."""
    return np.asarray(cv2.perspectiveTransform(points[None], _homography(shape, tilt_deg, axis_deg))[0], np.float64)


def _homography(shape: tuple[int, ...], tilt_deg: float, axis_deg: float) -> Points:
    height, width = shape
    focal_px = max(shape)
    axis = np.deg2rad(axis_deg)
    turn, _ = cv2.Rodrigues(np.deg2rad(tilt_deg) * np.array([np.cos(axis), np.sin(axis), 0]))
    camera = np.array([[focal_px, 0, width / 2], [0, focal_px, height / 2], [0, 0, 1]])
    plane = np.array([[1, 0, -width / 2], [0, 1, -height / 2], [0, 0, 0]])
    away = np.array([[0, 0, 0], [0, 0, 0], [0, 0, focal_px]])
    return np.asarray(camera @ (turn @ plane + away))


def main() -> None:
    """Measure, and print a line of JSON for each tilt."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.tilt", description="Packages of a tilted camera.")
    parser.add_argument("--frames", type=int, default=12, help="number of rendered frames (default: 12)")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    progress = Progress("rendered", options.frames, "frames")
    found: dict[int, list[tuple[Outline, Points]]] = {tilt: [] for tilt in TILTS_DEG}
    for index in range(options.frames):
        frame = render_frame(SMALL, SEED, index)
        for tilt in TILTS_DEG:
            axis_deg = np.random.default_rng([SEED, index, tilt]).uniform(0, 360)
            image, true = tilted(frame.image, np.array(frame.truth.outline_px), tilt, axis_deg)
            found[tilt].append((find_outline(image), true))
        progress.advance(1)
    for tilt, pairs in found.items():
        print(json.dumps({"tilt_deg": tilt, **_figures(pairs)}))


def _figures(pairs: Sequence[tuple[Outline, Points]]) -> dict[str, float]:
    ious = [iou(true, outline.corners_px) for outline, true in pairs]
    errors = [_corner_error(outline, true) for outline, true in pairs]
    lost = [lost_share(true, crop_corners(outline, MARGIN_SHARE)) for outline, true in pairs]
    return {
        "frames": len(pairs),
        "mean_keystone_deg": round(float(np.mean([keystone_deg(true) for _, true in pairs])), 2),
        "straightened_by_homography": sum(outline.is_tilted for outline, _ in pairs),
        "mean_iou": round(float(np.mean(ious)), 4),
        "min_iou": round(min(ious), 4),
        "mean_corner_error": round(float(np.mean(errors)), 4),
        "max_corner_error": round(max(errors), 4),
        "worst_lost_share": round(max(lost), 4),
    }


def _corner_error(outline: Outline, true: Points) -> float:
    """Return the largest distance of a corner from the true one, as a share of the package's longer side."""
    corners = np.array(outline.corners_px)
    distances = [np.hypot(*(np.roll(true, turns, axis=0) - corners).T).max() for turns in range(4)]
    return float(min(distances)) / max(outline.width_px, outline.height_px)


if __name__ == "__main__":
    main()
