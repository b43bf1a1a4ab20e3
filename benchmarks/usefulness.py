"""What pasted defects add to an inspection model: AUC and recall at 1% false alarms on packages of held-out lots.

Frames are rendered with exact masks. A few hundred train inspection models in several ways, all others test them. The
last line is JSON: `gain_...` is what pasted defects add to classical augmentation, as the mean over the seeds, with the
lower end of its 95% interval.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml
from scipy.special import stdtrit  # type: ignore[import-untyped]
from sklearn.metrics import roc_auc_score
from torch import Tensor

from benchmarks.cases import device_name
from benchmarks.inspection import Examples, Eye, InspectionModel, classical
from fabgan.components.artifacts.packages import Packages, open_packages
from fabgan.components.core.images import Pixels
from fabgan.components.core.parameters import parse
from fabgan.components.crop_resize import step as crop_resize
from fabgan.components.crop_resize.parameters import CropResizeParameters
from fabgan.components.defects.pool import pool_of
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.parameters import IngestParameters

SIZE_PX = 256
FRAMES = 960
TRAINING_SHARE = 0.25
PASTED = 200
FALSE_ALARMS = 0.01
CONFIDENCE = 0.95
RENDERER = {
    "frame_width_px": 640,
    "frame_height_px": 480,
    "products": 3,
    "frames_per_lot": 8,
    "min_balls_per_side": 8,
    "max_balls_per_side": 12,
    "max_angle_deg": 10,
    "min_body_share": 0.6,
    "max_body_share": 0.7,
    "defect_share": 0.5,
    "grey": False,
}

Image = tuple[Pixels, Pixels]


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the ways of training at both sizes of the pool, and print a row each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.usefulness", description=__doc__)
    parser.add_argument("--frames", type=int, default=FRAMES, help=f"number of rendered frames (default: {FRAMES})")
    parser.add_argument("--seeds", type=int, default=5, help="number of trainings of each kind (default: 5)")
    parser.add_argument("--folder", type=Path, help="folder to keep the packages in, for the next run")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        packages = _packages(options.folder or Path(folder), options.frames)
        found = _compared(packages, options.seeds)
    made = {"frames": options.frames, "seeds": options.seeds, "image_size_px": SIZE_PX, "pasted": PASTED}
    print(json.dumps(found | made | {"device": device_name(torch.device("cpu"))}))
    return 0


def _packages(folder: Path, frames: int) -> Path:
    """Render annotated frames, and cut the packages out."""
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "packages").is_dir():
        source = {"frames": frames, "seed": 1, "masks": True, "renderer": RENDERER}
        (folder / "rendered.yaml").write_text(yaml.safe_dump(source))
        asked = {"source": str(folder / "rendered.yaml"), "held_out_share": 1 - TRAINING_SHARE}
        ingest.run(parse(IngestParameters, asked, "benchmark"), folder / "frames")
        params = parse(CropResizeParameters, {"sizes_px": [SIZE_PX]}, "benchmark")
        crop_resize.run(params, folder / "frames", folder / "packages")
    return folder / "packages"


def _compared(folder: Path, seeds: int) -> dict[str, float]:
    eye, training = Eye(), open_packages(folder, SIZE_PX, "train")
    held_out = open_packages(folder, SIZE_PX, "held_out")
    tested = eye.examples(list(_images(held_out)))
    kinds = [package.defects[0].kind if package.defects else "" for package in held_out.listed]
    found = dict[str, float]()
    for size in (len(training.listed), len(training.listed) // 4):
        rows = [_scores(eye, training, size, tested, kinds, seed) for seed in range(seeds)]
        for name in rows[0]:
            means = {key: round(float(np.mean([row[name][key] for row in rows])), 3) for key in rows[0][name]}
            print(json.dumps({"pool": size, "trained_on": name, **means}), flush=True)
        for key in ("recall", "auc"):
            gains = [row["classical+pasted"][key] - row["classical"][key] for row in rows]
            found |= _interval(f"gain_{key}_{size}", gains)
    return found


def _images(packages: Packages) -> Iterator[Image]:
    for x_CHW, mask_HW in zip(packages, packages.masks(), strict=True):
        assert mask_HW is not None
        yield x_CHW.permute(1, 2, 0).numpy(), mask_HW.numpy()


def _scores(
    eye: Eye, training: Packages, size: int, tested: Examples, kinds: list[str], seed: int
) -> dict[str, dict[str, float]]:
    """Return the scores of every way of training on a pool of `size` packages, drawn at random."""
    random = np.random.default_rng(seed)
    pool = training.chosen(sorted(random.permutation(len(training.listed))[:size].tolist()))
    images = list(_images(pool))
    real, changed = eye.examples(images), eye.examples(classical(images, random))
    pasted = eye.examples(list(_pasted(pool, random)))
    ways = {
        "real": [real],
        "classical": [real, changed],
        "pasted": [real, pasted],
        "classical+pasted": [real, changed, pasted],
    }
    return {name: _score(InspectionModel(groups, seed).scores(tested), kinds) for name, groups in ways.items()}


def _pasted(pool: Packages, random: np.random.Generator) -> Iterator[Image]:
    """Yield packages with a pasted defect, as many of each kind."""
    source = pool_of(pool)
    kinds = [kind for kind, cutouts in source.cutouts.items() if cutouts]
    for index in range(PASTED):
        made = source.make(kinds[index % len(kinds)], random)
        yield made.pixels_HWC, made.mask_HW


def _score(scores_NYX: Tensor, kinds: list[str]) -> dict[str, float]:
    """Return AUC and recall, over all defects and by kind. The score of an image is its highest one."""
    score_N = scores_NYX.flatten(1).amax(dim=1).numpy()
    bad_N = np.array([bool(kind) for kind in kinds])
    limit = float(np.quantile(score_N[~bad_N], 1 - FALSE_ALARMS))
    found: dict[str, Any] = {"auc": roc_auc_score(bad_N, score_N), "recall": np.mean(score_N[bad_N] > limit)}
    for kind in sorted(set(kinds) - {""}):
        found[f"recall_{kind}"] = np.mean(score_N[np.array(kinds) == kind] > limit)
    return {name: float(value) for name, value in found.items()}


def _interval(name: str, gains: list[float]) -> dict[str, float]:
    """Return the mean, and the lower end of the interval by Student's t over the seeds."""
    half_width = float(stdtrit(len(gains) - 1, (1 + CONFIDENCE) / 2)) * np.std(gains, ddof=1) / len(gains) ** 0.5
    return {name: round(float(np.mean(gains)), 4), f"{name}_low": round(float(np.mean(gains) - half_width), 4)}


if __name__ == "__main__":
    sys.exit(main())
