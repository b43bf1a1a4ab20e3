"""How fast defects are made at 1024 px, on one core, and what training the defect model takes.

Prints one JSON line for each way of making and kind, and one for training. `images_per_s` is of processor time. It
includes reading the background, but not writing the result. `growth_mib` is the growth of the peak resident memory
while the model trains, with the sample of backgrounds that it holds.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks import usefulness
from benchmarks.cases import device_name
from benchmarks.sets import rendered_packages
from fabgan.components.core.workers import keep_freed_memory
from fabgan.components.defects.fitting import Fitter
from fabgan.components.defects.pasting import pasted
from fabgan.components.defects.pool import Paint, Pool, read_pool
from fabgan.components.defects.training import trained

SIZE_PX = 1024
FRAMES = 64
RENDERER = usefulness.RENDERER | {"frame_width_px": 1920, "frame_height_px": 1440, "products": 2, "defect_share": 0.6}


def main(arguments: Sequence[str] | None = None) -> int:
    """Make packages with defects, and time what is made of them."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.making", description=__doc__)
    parser.add_argument("--images", type=int, default=20, help="images to make of each kind (default: 20)")
    parser.add_argument("--steps", type=int, default=100, help="steps of training (default: 100)")
    options = parser.parse_args(arguments)
    keep_freed_memory()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        source = {"frames": FRAMES, "seed": 1, "masks": True, "renderer": RENDERER}
        pool = read_pool(rendered_packages(Path(folder), source, SIZE_PX).folder, SIZE_PX)
        before_mib, began_s = _peak_mib(), time.monotonic()
        fitter = Fitter(trained(pool, options.steps, 0), list(pool.cutouts))
        seconds = time.monotonic() - began_s
        cutouts = sum(map(len, pool.cutouts.values()))
        made = {"steps": options.steps, "cutouts": cutouts, "seconds": round(seconds, 1)}
        print(json.dumps({"what": "train", **made, "growth_mib": round(_peak_mib() - before_mib, 1)}), flush=True)
        for name, paint in (("pasted", pasted), ("fitted", fitter)):
            for kind in [kind for kind, found in pool.cutouts.items() if found]:
                rate = _images_per_s(pool, kind, paint, options.images)
                print(json.dumps({"what": name, "kind": kind, "images_per_s": round(rate, 1)}), flush=True)
    print(json.dumps({"image_size_px": SIZE_PX, "device": device_name(torch.device("cpu"))}))
    return 0


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _images_per_s(pool: Pool, kind: str, paint: Paint, count: int) -> float:
    began_s = time.process_time()
    for index in range(count):
        pool.make(kind, 1, np.random.default_rng(index), paint)
    return count / (time.process_time() - began_s)


if __name__ == "__main__":
    sys.exit(main())
