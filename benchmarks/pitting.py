"""What made pits add to an inspection model of ball screws, on photographs.

The photographs are those of `bsd_pitting` in the folder that FABGAN_REAL_DATA names. Each is cut into squares. Half of
the places of the spindle train, the other half test, and the other way round. A few annotated photographs train, with
squares that show no pit. Measured are the average precision of places, also beside the `smallest` third of the pits
alone, the best F1 of places, and the AUC of images. The last line is JSON: `gain_...` is what a way of making pits adds
to classical augmentation, as the mean over seeds and halves, with the lower end of its 95% interval.
"""

import argparse
import csv
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.cases import device_name
from benchmarks.sets import packages_of
from benchmarks.usefulness import printed_gains, ways_of
from fabgan.components.artifacts.manifest import Package, has_manifest
from fabgan.components.artifacts.packages import Packages
from fabgan.components.core.images import Pixels, read_image, write_png
from fabgan.components.defects.judging import Judge, Scores

SIDE_PX, SIZE_PX = 460, 256
LEFT_PX = (0, 335, 670)
FRAME_WIDTH_PX = "1130"
ANNOTATED = (5, 20)
GOOD_SQUARES = 60
TESTED_GOOD_SQUARES = 90


def main(arguments: Sequence[str] | None = None) -> int:
    """Compare the ways of training with few and with more annotated photographs, and print a row each."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.pitting", description=__doc__)
    annotated_help = "numbers of annotated photographs (default: 5 20)"
    parser.add_argument("--annotated", type=int, nargs="+", default=ANNOTATED, help=annotated_help)
    parser.add_argument("--seeds", type=int, default=3, help="number of trainings in each half (default: 3)")
    parser.add_argument("--steps", type=int, default=600, help="training steps of the defect model (default: 600)")
    parser.add_argument("--folder", type=Path, help="folder to keep the squares in, for the next run")
    options = parser.parse_args(arguments)
    root = os.environ.get("FABGAN_REAL_DATA")
    if not root:
        parser.error("FABGAN_REAL_DATA is not set: it names the folder that holds bsd_pitting")
    with tempfile.TemporaryDirectory() as folder:
        packages = _packages(Path(root) / "bsd_pitting", options.folder or Path(folder))
        found = dict[str, float]()
        for annotated in options.annotated:
            runs = [
                _run(packages, annotated, half, options.steps, seed) for half in (0, 1) for seed in range(options.seeds)
            ]
            found |= printed_gains(runs, annotated, ("places", "smallest", "f1", "auc"))
    made = {"seeds": options.seeds, "halves": 2, "image_size_px": SIZE_PX, "steps": options.steps}
    print(json.dumps(found | made | {"device": device_name(torch.device("cpu"))}))
    return 0


def _packages(source: Path, folder: Path) -> Packages:
    """Cut the photographs of one size into squares, and take them in as packages with masks."""
    if not has_manifest(folder / "packages"):
        for row in csv.DictReader((source / "index.csv").read_text(encoding="utf-8").splitlines()):
            if row["width"] == FRAME_WIDTH_PX:
                _cut(source, row, folder / "squares")
        (folder / "squares" / "masks" / "classes.txt").write_text("pit\n", encoding="utf-8")
    asked = {"source": str(folder / "squares"), "annotations": "masks", "held_out_share": 0.5}
    return packages_of(folder, asked, SIZE_PX, find="whole")


def _cut(source: Path, row: dict[str, str], squares: Path) -> None:
    stem = Path(row["file"]).stem
    image = read_image(source / "images" / row["file"])
    pits = read_image(source / "masks" / f"{stem}.png") if int(row["polygons"]) else np.zeros(image.shape[:2], np.uint8)
    for left in LEFT_PX:
        name = f"{row['position']}/{stem}_{left}.png"
        for kind, map_ in (("", image), ("masks", (pits > 0).astype(np.uint8))):
            path = squares / kind / name
            path.parent.mkdir(parents=True, exist_ok=True)
            write_png(path, _square(map_, left))


def _square(map_: Pixels, left: int) -> Pixels:
    return np.ascontiguousarray(map_[:SIDE_PX, left : left + SIDE_PX])


def _run(packages: Packages, annotated: int, half: int, steps: int, seed: int) -> dict[str, Scores]:
    """Return the scores of every way of training with some annotated photographs of a half of the places."""
    random = np.random.default_rng([seed, half])
    lots = sorted({package.lot for package in packages.listed})[half::2]
    bad, good = _sides(packages, lots)
    frames = sorted({_frame(packages.listed[at]) for at in bad})
    few = {frames[at] for at in random.permutation(len(frames))[:annotated]}
    chosen = [at for at in bad if _frame(packages.listed[at]) in few]
    pool = packages.chosen(sorted([*chosen, *random.permutation(good)[:GOOD_SQUARES].tolist()]))
    tested_bad, tested_good = _sides(packages, sorted({package.lot for package in packages.listed} - set(lots)))
    spread = np.linspace(0, len(tested_good) - 1, TESTED_GOOD_SQUARES).round().astype(int)
    tested = packages.chosen(sorted([*tested_bad, *(tested_good[at] for at in spread)]))
    judge = Judge(tested)
    return judge.scores(pool, ways_of(pool, judge.dense, steps, seed), seed)


def _sides(packages: Packages, lots: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the places in the list of squares of some lots with a pit, and of those without."""
    inside = [at for at, package in enumerate(packages.listed) if package.lot in lots]
    bad = [at for at in inside if packages.listed[at].defects]
    return bad, [at for at in inside if not packages.listed[at].defects]


def _frame(package: Package) -> str:
    return package.source.rpartition("_")[0]


if __name__ == "__main__":
    sys.exit(main())
