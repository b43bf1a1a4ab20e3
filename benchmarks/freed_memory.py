"""What it saves to keep freed memory: `python -m benchmarks.freed_memory --variants seamless --image-size 128 1024`.

Processes that use freed memory again, as fabgan's programs do (`keep_freed_memory`), and others that return it to the
system take turns. Prints one JSON line per case: medians over the rounds of images per second of processor time, and of
the peak memory, each relative to processes that return it. Progress goes to standard error.
"""

import argparse
import json
import multiprocessing
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from statistics import median

import torch

from benchmarks.cases import VARIANTS, Case, cases_of, device_name
from benchmarks.memory import peak_bytes, reset_peak
from benchmarks.throughput import PLANNED_STEPS, entry_of
from fabgan.components.core.progress import Progress
from fabgan.components.core.workers import keep_freed_memory

MEASURES = "training", "generating", "peak_memory"
Figures = tuple[float, ...]
"""One for each of `MEASURES`."""


def main() -> None:
    """Measure the cases one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=["seamless"], help="default: seamless")
    sizes = "sides of the images in pixels (default: 128)"
    parser.add_argument("--image-size", nargs="+", type=int, default=[128], metavar="PX", help=sizes)
    parser.add_argument("--batch", type=int, default=8, help="images per step (default: 8)")
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds (default: 3)")
    parser.add_argument("--seconds", type=float, default=3.0, help="processor time of a measurement (default: 3)")
    options = parser.parse_args()
    cases = cases_of(options.variants, options.image_size, ["region_wise"], options.batch, PLANNED_STEPS)
    progress = Progress("freed_memory", 2 * options.rounds * len(cases), "processes")
    for case in cases:
        ratios = []
        for _ in range(options.rounds):
            kept, returned = (_in_its_own_process(case, options.seconds, keep, progress) for keep in (True, False))
            ratios.append([ours / theirs for ours, theirs in zip(kept, returned, strict=True)])
        print(json.dumps(_line(case, ratios)), flush=True)


def _line(case: Case, ratios: list[list[float]]) -> dict[str, object]:
    medians = (round(median(column), 3) for column in zip(*ratios, strict=True))
    return {
        "variant": case.variant,
        "image_size_px": case.image_size_px,
        "batch": case.batch,
        "rounds": len(ratios),
        **{f"{name}_ratio": value for name, value in zip(MEASURES, medians, strict=True)},
        "device": device_name(torch.device("cpu")),
        "torch": torch.__version__,
    }


def _in_its_own_process(case: Case, seconds: float, keep: bool, progress: Progress) -> Figures:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        found = pool.submit(measured, case, seconds, keep).result()
    progress.advance(1)
    return found


def measured(case: Case, seconds: float, keep: bool) -> Figures:
    """Return the figures of this process, which is to be a fresh one."""
    if keep:
        keep_freed_memory()
    torch.set_num_threads(1)
    before = reset_peak(torch.device("cpu"))
    entry = entry_of(case, torch.device("cpu"))
    rates = [_images_per_s(action, seconds) for action in (entry.train, entry.generate)]
    return *rates, float(peak_bytes(torch.device("cpu")) - before)


def _images_per_s(action: Callable[[], int], min_s: float) -> float:
    """Return the images per second of processor time, which other work on the computer affects little."""
    done, started_s = 0, time.process_time()
    while time.process_time() - started_s < min_s:
        done += action()
    return done / (time.process_time() - started_s)


if __name__ == "__main__":
    main()
