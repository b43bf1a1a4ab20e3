"""How well packages are found and cropped: `python -m benchmarks.crop [--frames N] [--photos DIR]`.

Prints one JSON object on standard output. By default it measures rendered frames of 4000 x 3000 px. With --photos it
measures the photographs of a folder that holds `images/` and `annotations.csv` (columns file, class, polygon_of,
polygon_px).
"""

import argparse
import csv
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from fabgan.components.core.images import Pixels, read_image
from fabgan.components.core.progress import Progress
from fabgan.components.crop_resize.outline import (
    Outline,
    OutlineNotFoundError,
    crop_corners,
    find_outline,
    iou,
    straighten,
)
from fabgan.components.ingest.renderer import RendererParameters, render_frame

MARGIN_SHARE = 0.05
SEED = 20
PARAMETERS = RendererParameters(
    frame_width_px=4000,
    frame_height_px=3000,
    products=24,
    frames_per_lot=2,
    min_balls_per_side=8,
    max_balls_per_side=40,
    max_angle_deg=180,
    min_body_share=0.35,
    max_body_share=0.66,
    defect_share=0.5,
    grey=False,
)
BORDER_PX = 1.5
"""An annotated polygon within this distance of the frame's border belongs to a package that the frame cuts off."""
MAX_FIELD_CHARACTERS = 10_000_000

Polygon = tuple[tuple[float, float], ...]


@dataclass(frozen=True)
class Annotated:
    """A photograph with the polygons that were drawn by hand."""

    path: Path
    outlines: tuple[Polygon, ...]
    scratches: tuple[Polygon, ...]


@dataclass
class Score:
    """Figures over frames or photographs."""

    ious: list[float] = field(default_factory=list)
    angle_errors_deg: list[float] = field(default_factory=list)
    elapsed_s: float = 0.0
    timed: int = 0
    accepted: int = 0
    scratches: int = 0
    scratches_inside: int = 0
    reasons: dict[str, str] = field(default_factory=dict)
    """Why each refused image was refused, by file name or index."""

    def crop(self, image: Pixels) -> Outline:
        """Find and crop a package, add the time that this takes, and return its outline.

        Raises OutlineNotFoundError if there is none.
        """
        self.timed += 1
        started_s = time.perf_counter()
        try:
            outline = find_outline(image)
            straighten(image, outline, MARGIN_SHARE)
        finally:
            self.elapsed_s += time.perf_counter() - started_s
        return outline

    def compare(self, outline: Outline, true_corners: Polygon, true_angle_deg: float) -> None:
        """Compare an outline with the true one; angles are modulo 90 degrees."""
        self.ious.append(iou(true_corners, outline.corners_px))
        self.angle_errors_deg.append(abs((outline.angle_deg - true_angle_deg + 45) % 90 - 45))

    def miss(self) -> None:
        """Count a package that was present but not found."""
        self.ious.append(0.0)

    def figures(self) -> dict[str, float]:
        """Return the figures that rendered frames and photographs have in common."""
        return {
            "mean_iou": round(float(np.mean(self.ious)), 4),
            "min_iou": round(min(self.ious), 4),
            "max_angle_error_deg": round(max(self.angle_errors_deg, default=45.0), 3),
            "frames_per_s": round(self.timed / self.elapsed_s, 2),
        }


def score_rendered(parameters: RendererParameters, frames: int) -> Score:
    """Return the score over rendered frames."""
    score, progress = Score(), Progress("rendered", frames, "frames")
    for index in range(frames):
        frame = render_frame(parameters, SEED, index)
        try:
            score.compare(score.crop(frame.image), frame.truth.outline_px, frame.truth.angle_deg)
        except OutlineNotFoundError as error:
            score.miss()
            score.reasons[str(index)] = str(error)
        progress.advance(1)
    return score


def score_photos(folder: Path) -> Score:
    """Return the score over photographs. Only packages that lie wholly in the frame are compared."""
    photos = read_annotations(folder)
    score, progress = Score(), Progress("photographs", len(photos), "photographs")
    for photo in photos:
        image = read_image(photo.path)
        try:
            _add_photo(score, photo, score.crop(image), image.shape[:2])
        except OutlineNotFoundError as error:
            score.reasons[photo.path.name] = str(error)
            if any(wholly_inside(outline, image.shape[:2]) for outline in photo.outlines):
                score.miss()
        progress.advance(1)
    return score


def _add_photo(score: Score, photo: Annotated, outline: Outline, shape: tuple[int, ...]) -> None:
    score.accepted += 1
    for polygon in photo.outlines:
        if wholly_inside(polygon, shape):
            score.compare(outline, polygon, _rectangle_angle_deg(polygon))
    corners = np.array(crop_corners(outline, MARGIN_SHARE), np.float32)
    score.scratches += len(photo.scratches)
    score.scratches_inside += sum(_holds(corners, scratch) for scratch in photo.scratches)


def _holds(corners: np.ndarray[tuple[int, ...], np.dtype[np.float32]], points: Iterable[tuple[float, float]]) -> bool:
    return all(cv2.pointPolygonTest(corners, point, False) >= 0 for point in points)


def _rectangle_angle_deg(polygon: Polygon) -> float:
    return float(cv2.minAreaRect(np.array(polygon, np.float32))[2])


def wholly_inside(polygon: Polygon, shape: tuple[int, ...]) -> bool:
    """Return whether a polygon keeps clear of the border of a frame of shape (height, width)."""
    points = np.array(polygon)
    return bool(points.min() > BORDER_PX and (points < np.array(shape[1::-1]) - BORDER_PX).all())


def read_annotations(folder: Path) -> list[Annotated]:
    """Return the annotated photographs of a folder, sorted by name."""
    csv.field_size_limit(MAX_FIELD_CHARACTERS)
    found: dict[str, dict[str, list[Polygon]]] = {}
    with (folder / "annotations.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            polygons = found.setdefault(row["file"], {"outline": [], "scratch": []})
            polygons[row["polygon_of"]].append(_polygon(row["polygon_px"]))
    return [
        Annotated(folder / "images" / name, tuple(polygons["outline"]), tuple(polygons["scratch"]))
        for name, polygons in sorted(found.items())
    ]


def _polygon(text: str) -> Polygon:
    points = (point.split(",") for point in text.split())
    return tuple((float(x), float(y)) for x, y in points)


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.crop", description="How well packages are cropped.")
    parser.add_argument("--frames", type=int, default=100, help="number of rendered frames (default: 100)")
    parser.add_argument("--photos", type=Path, metavar="DIR", help="measure the photographs of this folder instead")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    if arguments.photos is None:
        print(json.dumps(score_rendered(PARAMETERS, arguments.frames).figures()))
        return
    score = score_photos(arguments.photos)
    counts = {
        "accepted": score.accepted,
        "quarantined": len(score.reasons),
        "scratches_inside": score.scratches_inside,
        "scratches": score.scratches,
    }
    print(json.dumps(score.figures() | counts))


if __name__ == "__main__":
    main()
