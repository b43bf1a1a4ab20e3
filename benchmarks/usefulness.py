"""What made defects add to an inspection model: AUC and recall at 1% false alarms on packages of held-out lots.

Frames are rendered with exact masks. Some train inspection models in several ways, all others test them. `real` is
training without any augmentation, and all other ways have the classical one. `blend` pastes as many defects of each
kind. `pasted`, `fitted` and `both` make more of the kinds that a model finds worse, which only the training packages
tell. The last line is JSON: `gain_...` is what `fitted`, the way of the defect model, adds to classical augmentation,
as the mean over the seeds, with the lower end of its 95% interval, and so for each way by its name. `over_blend_...` is
what a way adds to `blend`, with both ends.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch

from benchmarks.cases import device_name
from benchmarks.sets import rendered_packages
from fabgan.components.artifacts.packages import Packages, open_packages
from fabgan.components.defects.card import FITTED, paints_of
from fabgan.components.defects.judging import (
    CLASSICAL,
    Judge,
    Scores,
    annotated,
    gain,
    images_of,
    made_images,
    measured,
    seen_by,
)
from fabgan.components.defects.needs import needs_of
from fabgan.components.defects.pasting import pasted
from fabgan.components.defects.pool import pool_of
from fabgan.components.defects.training import trained
from fabgan.components.measures.inspection import DenseFeatures, Image, InspectionModel

SIZE_PX = 256
FRAMES = 2400
"""So many that the recall at 1% false alarms does not depend on two or three packages."""
SEED = 3
"""The frames of seed 1 chose how images are shared out among kinds (docs/decisions/0023). They cannot judge it, too."""
TRAINING_SHARE = 0.11
POOLS = (60, 240)
MEASURES = ("recall", "auc")
REAL, BLEND = "real", "blend"
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the ways of training at both sizes of the pool, and print a row each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.usefulness", description=__doc__)
    parser.add_argument("--frames", type=int, default=FRAMES, help=f"number of rendered frames (default: {FRAMES})")
    parser.add_argument("--seeds", type=int, default=5, help="number of trainings of each kind (default: 5)")
    parser.add_argument("--steps", type=int, default=600, help="training steps of the defect model (default: 600)")
    pools = "numbers of packages to train with (default: 60 240)"
    parser.add_argument("--pools", type=int, nargs="+", default=POOLS, help=pools)
    parser.add_argument("--folder", type=Path, help="folder to keep the packages in, for the next run")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        packages = _packages(options.folder or Path(folder), options.frames)
        found = _compared(packages, options.pools, options.seeds, options.steps)
    made = {"frames": options.frames, "seeds": options.seeds, "image_size_px": SIZE_PX, "steps": options.steps}
    print(json.dumps(found | made | {"device": device_name(torch.device("cpu"))}))
    return 0


def _packages(folder: Path, frames: int) -> Path:
    """Render annotated frames, and cut the packages out."""
    source = {"frames": frames, "seed": SEED, "masks": True, "renderer": RENDERER}
    return rendered_packages(folder, source, SIZE_PX, held_out_share=1 - TRAINING_SHARE).folder


def _compared(folder: Path, pools: Sequence[int], seeds: int, steps: int) -> dict[str, float]:
    training, held_out = (open_packages(folder, SIZE_PX, split) for split in ("train", "held_out"))
    judge = Judge(held_out)
    if max(pools) > len(training.listed):
        sys.exit(f"there are only {len(training.listed)} packages to train with; raise --frames")
    found = dict[str, float]()
    for size in pools:
        runs = [_run(judge, held_out, training, size, steps, seed) for seed in range(seeds)]
        found |= printed_gains(runs, size, MEASURES) | _over_blend(runs, size)
        for measure, end in product(MEASURES, ("", "_low")):
            found[f"gain_{measure}_{size}{end}"] = found[f"gain_{measure}_{FITTED}_{size}{end}"]
    return found


def _run(judge: Judge, held_out: Packages, training: Packages, size: int, steps: int, seed: int) -> dict[str, Scores]:
    """Return the scores of every way of training on a pool of `size` packages, drawn at random."""
    drawn = np.random.default_rng(seed).permutation(len(training.listed))[:size]
    packages = training.chosen(sorted(drawn.tolist()))
    pool = pool_of(packages)
    equal = dict.fromkeys(pool.present, 1.0)
    blended = made_images(pool, dict.fromkeys(equal, pasted), equal, np.random.default_rng([seed, 2]))
    alone = {REAL: _of_real(packages, held_out, judge.dense, seed), **judge.scores(packages, {BLEND: blended}, seed)}
    return alone | judge.scores(packages, ways_of(packages, judge.dense, steps, seed), seed)


def _of_real(packages: Packages, held_out: Packages, dense: DenseFeatures, seed: int) -> Scores:
    """Return the scores of training without any augmentation."""
    places = dense.places(images_of(annotated(packages)), np.random.default_rng([seed, 0]))
    model = InspectionModel(places.features_PF.shape[1], seed)
    model.train([places])
    score_of, touched_NYX, kinds_N = seen_by({REAL: model}, dense, annotated(held_out))
    return measured(score_of[REAL], touched_NYX, kinds_N)


def ways_of(packages: Packages, dense: DenseFeatures, steps: int, seed: int) -> dict[str, Iterator[Image]]:
    """Return images with defects of a pool, made in each way, more of the kinds that are found worse."""
    pool = pool_of(packages)
    needs = needs_of(packages, dense, seed)
    paints = paints_of(trained(pool, steps, seed), list(pool.cutouts))
    return {
        name: made_images(pool, dict.fromkeys(pool.present, paint), needs, np.random.default_rng([seed, 2]))
        for name, paint in paints.items()
    }


def _over_blend(runs: Sequence[dict[str, Scores]], size: int) -> dict[str, float]:
    """Return what each way that makes more of some kinds adds to as many of each, with both ends of the interval."""
    found = dict[str, float]()
    for way, measure in product([way for way in runs[0] if way not in (REAL, CLASSICAL, BLEND)], MEASURES):
        added = gain(runs, way, measure, over=BLEND)
        for end, value in (("", added.mean), ("_low", added.low), ("_high", added.high)):
            found[f"over_blend_{measure}_{way}_{size}{end}"] = round(value, 4)
    return found


def printed_gains(runs: Sequence[dict[str, Scores]], size: int, measures: Sequence[str]) -> dict[str, float]:
    """Print the means of each way of training on pools of one size, and return the gains in some measures."""
    for way in runs[0]:
        means = {name: round(float(np.mean([run[way][name] for run in runs])), 3) for name in runs[0][way]}
        print(json.dumps({"pool": size, "trained_on": way, **means}), flush=True)
    found = dict[str, float]()
    for way, measure in product([way for way in runs[0] if way not in (REAL, CLASSICAL)], measures):
        added = gain(runs, way, measure)
        found[f"gain_{measure}_{way}_{size}"] = round(added.mean, 4)
        found[f"gain_{measure}_{way}_{size}_low"] = round(added.low, 4)
    return found


if __name__ == "__main__":
    sys.exit(main())
