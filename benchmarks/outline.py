"""How well packages are found and cropped: `python -m benchmarks.outline [--frames N] [--scenes N]`.

- Rendered frames of 4000 x 3000 px, whose outlines are known exactly.
- Photographs with annotated outlines, in the subfolders `dip_package` and `cob_wafer_space` of the folder that
  FABGAN_REAL_DATA names.
- Composed scenes: packages on difficult grounds, and grounds without a package. None of those may be accepted.

The last line is JSON. `worst_lost_share` is the largest share of a package that its crop leaves out, and
`wrongly_accepted` counts crops of what is no whole package, or that agree with it by less than an IoU of 0.8.
`wrongly_refused` counts whole packages without a crop. `orientation_agree` is the share of crops that lie like most of
their product after they were turned alike. `orientation_unflagged_wrong` counts others that nothing marks as doubtful.
"""

import argparse
import json
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

import cv2
import numpy as np

from fabgan.components.core.errors import UnusableImageError
from fabgan.components.core.images import Pixels
from fabgan.components.core.progress import Progress
from fabgan.components.crop_resize.outline import (
    Outline,
    crop_corners,
    find_outline,
    iou,
    straighten,
)
from fabgan.components.crop_resize.parameters import CropResizeParameters
from fabgan.components.ingest.renderer import RendererParameters, render_frame

from .photographs import Annotated, Polygon, chips_on_boards, dual_in_line, wholly_inside
from .scenes import scenes
from .turns import Agreement, agreement, photographed_crops, rendered_crops

MARGIN_SHARE = CropResizeParameters(sizes_px=(64,)).margin_share
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
MIN_SHOWN_LOSS = 1e-3
MIN_IOU = 0.8
"""Below this agreement, the crop shows something else than the package."""


@dataclass
class Score:
    """Figures over frames, photographs or scenes."""

    ious: list[float] = field(default_factory=list)
    """Of accepted packages."""
    angle_errors_deg: list[float] = field(default_factory=list)
    lost_shares: list[float] = field(default_factory=list)
    lost: str = ""
    """Name of the image whose crop loses most."""
    elapsed_s: float = 0.0
    timed: int = 0
    scratches: int = 0
    scratches_inside: int = 0
    reasons: dict[str, str] = field(default_factory=dict)
    """Why each refused image was refused, by name."""
    wrongly_accepted: list[str] = field(default_factory=list)
    wrongly_refused: list[str] = field(default_factory=list)

    def judge(self, name: str, image: Pixels, true: Polygon | None, must_find: bool = True) -> Outline | None:
        """Find and crop the package of an image, compare it with the true outline, and return its own.

        `true` is None if no package lies wholly in the frame. Unless `must_find`, a refusal is right, too.
        """
        try:
            outline = self._crop(image)
        except UnusableImageError as error:
            self.reasons[name] = str(error)
            if true is not None and must_find:
                self.wrongly_refused.append(name)
            return None
        agreement = 0.0 if true is None else iou(true, outline.corners_px)
        if true is not None:
            self.ious.append(agreement)
            self.angle_errors_deg.append(_angle_error_deg(outline, true))
            lost = lost_share(true, crop_corners(outline, MARGIN_SHARE))
            self.lost = name if lost > max(self.lost_shares, default=MIN_SHOWN_LOSS) else self.lost
            self.lost_shares.append(lost)
        if agreement < MIN_IOU:
            self.wrongly_accepted.append(name)
        return outline

    def _crop(self, image: Pixels) -> Outline:
        self.timed += 1
        started_s = time.perf_counter()
        try:
            outline = find_outline(image)
            straighten(image, outline, MARGIN_SHARE)
        finally:
            self.elapsed_s += time.perf_counter() - started_s
        return outline

    def figures(self) -> dict[str, float]:
        """Return the figures that all kinds of images have in common."""
        return {
            "images": self.timed,
            "mean_iou": round(float(np.mean(self.ious)), 4),
            "min_iou": round(min(self.ious), 4),
            "max_angle_error_deg": round(max(self.angle_errors_deg), 3),
            "worst_lost_share": round(max(self.lost_shares), 4),
            "wrongly_accepted": len(self.wrongly_accepted),
            "wrongly_refused": len(self.wrongly_refused),
            "frames_per_s": round(self.timed / self.elapsed_s, 2),
        }


def lost_share(package: object, crop: object) -> float:
    """Return the share of a package, a polygon that is about convex, that lies outside of a convex crop."""
    hull, area = (cv2.convexHull(np.asarray(polygon, np.float32)) for polygon in (package, crop))
    kept, _ = cv2.intersectConvexConvex(hull, area)
    return max(0.0, 1 - kept / cv2.contourArea(hull))


def _angle_error_deg(outline: Outline, true: Polygon) -> float:
    """Return the difference of the angles, modulo 90 degrees."""
    angle_deg = float(cv2.minAreaRect(np.array(true, np.float32))[2])
    return abs((outline.angle_deg - angle_deg + 45) % 90 - 45)


def score_rendered(parameters: RendererParameters, frames: int) -> Score:
    """Return the score over rendered frames."""
    score, progress = Score(), Progress("rendered", frames, "frames")
    for index in range(frames):
        frame = render_frame(parameters, SEED, index)
        score.judge(f"rendered {index}", frame.image, frame.truth.outline_px)
        progress.advance(1)
    return score


def score_photographs(photographs: Iterable[Annotated]) -> Score:
    """Return the score over photographs.

    One with scratches only shows a whole package too, but not where its sides are.
    """
    score = Score()
    for photograph in photographs:
        _add_photograph(score, photograph)
    return score


def _add_photograph(score: Score, photograph: Annotated) -> None:
    image = photograph.pixels()
    name = photograph.path.name + (f" {list(photograph.window_px)}" if photograph.window_px else "")
    whole = [polygon for polygon in photograph.outlines if wholly_inside(polygon, image.shape)]
    if not photograph.scratches:
        score.judge(name, image, whole[0] if whole else None)
        return
    score.scratches += len(photograph.scratches)
    try:
        corners = np.array(crop_corners(score._crop(image), MARGIN_SHARE), np.float32)
    except UnusableImageError as error:
        score.reasons[name] = str(error)
        score.wrongly_refused.append(name)
        return
    score.scratches_inside += sum(lost_share(scratch, corners) < 1e-6 for scratch in photograph.scratches)


def photographs_of(folder: Path) -> Iterator[Annotated]:
    """Yield the annotated photographs of a folder of sets."""
    if (folder / "dip_package").is_dir():
        yield from dual_in_line(folder / "dip_package")
    if (folder / "cob_wafer_space").is_dir():
        yield from chips_on_boards(folder / "cob_wafer_space")


def score_scenes(repeats: int) -> Score:
    """Return the score over composed scenes."""
    score = Score()
    for scene in scenes(repeats):
        true = None if scene.outline_px is None else tuple((float(x), float(y)) for x, y in scene.outline_px)
        score.judge(scene.name, scene.image, true, must_find=not scene.may_refuse)
    return score


def main() -> None:
    """Measure, and print the figures."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.outline", description="How well packages are found.")
    parser.add_argument("--frames", type=int, default=100, help="number of rendered frames (default: 100)")
    parser.add_argument("--scenes", type=int, default=2, help="number of rounds of composed scenes (default: 2)")
    parser.add_argument("--turned", type=int, default=120, help="number of frames to turn alike (default: 120)")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    parts = {"rendered": score_rendered(PARAMETERS, arguments.frames)}
    folder = os.environ.get("FABGAN_REAL_DATA")
    if folder:
        parts["photographs"] = score_photographs(photographs_of(Path(folder)))
    else:
        print("photographs: left out, because FABGAN_REAL_DATA does not name their folder")
    parts["scenes"] = score_scenes(arguments.scenes)
    turned = {"rendered": agreement(list(rendered_crops(PARAMETERS, arguments.turned)))}
    if folder and (Path(folder) / "dip_package").is_dir():
        turned["photographs"] = agreement(list(photographed_crops(Path(folder) / "dip_package")))
    for name, score in parts.items():
        _print(name, score)
    for name, found in turned.items():
        print(f"orientation, {name}: {json.dumps(asdict(found))}")
    print(json.dumps(_summary(parts) | _of_turns(turned)))


def _print(name: str, score: Score) -> None:
    print(f"{name}: {json.dumps(score.figures())}")
    if score.lost:
        print(f"  most lost: {score.lost}")
    for image in score.wrongly_accepted:
        print(f"  wrongly accepted: {image}")
    for image in score.wrongly_refused:
        print(f"  wrongly refused: {image}: {score.reasons[image]}")


def _summary(parts: dict[str, Score]) -> dict[str, float | None]:
    rendered, photographs = parts["rendered"].figures(), parts.get("photographs")
    return {
        "rendered_mean_iou": rendered["mean_iou"],
        "rendered_min_iou": rendered["min_iou"],
        "photographs_mean_iou": photographs.figures()["mean_iou"] if photographs else None,
        "worst_lost_share": max(score.figures()["worst_lost_share"] for score in parts.values()),
        "wrongly_accepted": sum(len(score.wrongly_accepted) for score in parts.values()),
        "wrongly_refused": sum(len(score.wrongly_refused) for score in parts.values()),
    }


def _of_turns(turned: dict[str, Agreement]) -> dict[str, float]:
    return {
        "orientation_agree": round(min(found.agree / found.crops for found in turned.values()), 4),
        "orientation_unflagged_wrong": sum(found.unflagged_wrong for found in turned.values()),
    }


if __name__ == "__main__":
    main()
