"""What made scratches add to an inspection model of dual in-line packages: average precision of places, and AUC.

The photographs are those of `dip_package` in the folder that FABGAN_REAL_DATA names, with their annotated scratches.
Lots are shots: runs of stills of one scene. Half of the lots train, the others test. The last line is JSON: `gain_...`
is what a way of making scratches adds to classical augmentation, as the mean over seeds, with the lower end of its 95%
interval.
"""

import argparse
import csv
import json
import os
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.cases import device_name
from benchmarks.sets import packages_of
from benchmarks.usefulness import printed_gains, ways_of
from fabgan.components.artifacts.packages import open_packages
from fabgan.components.core.images import read_image, write_png
from fabgan.components.defects.judging import Judge

SIZE_PX = 256
SHOT = r"frame_(\d\d\d)"
"""Stills whose numbers differ in the last digit alone are one shot."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the ways of training, and print a row each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scratches", description=__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="number of trainings (default: 3)")
    parser.add_argument("--steps", type=int, default=600, help="training steps of the defect model (default: 600)")
    options = parser.parse_args(arguments)
    root = os.environ.get("FABGAN_REAL_DATA")
    if not root:
        parser.error("FABGAN_REAL_DATA is not set: it names the folder that holds dip_package")
    with tempfile.TemporaryDirectory() as folder:
        _annotate(Path(root) / "dip_package", Path(folder) / "photographs")
        asked = {"source": f"{folder}/photographs", "annotations": "masks", "lot_pattern": SHOT, "held_out_share": 0.5}
        packages = packages_of(Path(folder), asked, SIZE_PX, join_near_duplicates=True)
        training, held_out = (open_packages(packages.folder, SIZE_PX, split) for split in ("train", "held_out"))
        judge = Judge(held_out)
        runs = [
            judge.scores(training, ways_of(training, judge.dense, options.steps, seed), seed)
            for seed in range(options.seeds)
        ]
        found = printed_gains(runs, len(training.listed), ("places", "auc"))
    made = {"held_out": len(held_out.listed), "seeds": options.seeds, "steps": options.steps, "image_size_px": SIZE_PX}
    print(json.dumps(found | made | {"device": device_name(torch.device("cpu"))}))
    return 0


def _annotate(source: Path, folder: Path) -> None:
    """Copy the photographs, and draw the mask of each. That of a clean one is empty."""
    rows = defaultdict(list)
    for row in csv.DictReader((source / "annotations.csv").read_text(encoding="utf-8").splitlines()):
        rows[row["file"]].append(row)
    (folder / "masks").mkdir(parents=True)
    (folder / "masks" / "classes.txt").write_text("scratch\n", encoding="utf-8")
    for name, parts in rows.items():
        (folder / name).write_bytes((source / "images" / name).read_bytes())
        mask = np.zeros(read_image(folder / name).shape[:2], np.uint8)
        for part in parts:
            if part["class"] == "scratched":
                corners = np.array(part["polygon_px"].replace(",", " ").split(), dtype=float)
                cv2.fillPoly(mask, [corners.reshape(-1, 2).round().astype(np.int32)], (1,))
        write_png((folder / "masks" / name).with_suffix(".png"), mask)


if __name__ == "__main__":
    sys.exit(main())
