"""How much memory a training step takes: `python -m benchmarks.memory --variant paper dcgan --image-size 128 256`.

Prints one JSON line per case. Progress, and the ratio to the first of several --step, go to standard error.

`peak_growth_mib` is the peak memory of two whole training steps, beyond torch and the batch. It includes networks,
gradients, activations and Adam's state, which the first step makes. On a CPU it is resident memory, including what the
allocator keeps. On a GPU it is the memory of tensors that exist at the same time.

Every case runs in a process of its own. Its figures are null if the process was killed, as happens when memory runs
out.
"""

import argparse
import gc
import json
import multiprocessing
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.cases import STEPS, VARIANTS, Case, add_options, build, cases_of, device_name, noise_images, pick_device
from fabgan.components.core.workers import keep_freed_memory

MIB = 2**20
TRAINING_STEPS = 2
RESET_PEAK_RSS = "5"
"""Written to /proc/self/clear_refs, as in proc(5)."""


@dataclass(frozen=True)
class Weighed:
    """The figures of one case."""

    parameters: int
    peak_growth_mib: float


def main() -> None:
    """Measure the cases one after the other."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--variant", nargs="+", choices=VARIANTS, default=["paper"], help="default: paper")
    sizes = "sides of the images in pixels (default: 64)"
    parser.add_argument("--image-size", nargs="+", type=int, default=[64], metavar="PX", help=sizes)
    modes = "types of training step (default: both)"
    parser.add_argument("--step", nargs="+", choices=STEPS, default=["joint", "region_wise"], help=modes)
    add_options(parser)
    options = parser.parse_args()
    first: dict[tuple[str, int], float] = {}
    for case in cases_of(options.variant, options.image_size, options.step, options.batch, TRAINING_STEPS):
        name = f"{case.variant}/{case.step} at {case.image_size_px} px"
        sys.stderr.write(f"memory: {name}\n")
        weighed = _in_its_own_process(case, options.device)
        print(json.dumps(_line(case, options.device, weighed)), flush=True)
        if weighed:
            base_mib = first.setdefault((case.variant, case.image_size_px), weighed.peak_growth_mib)
            sys.stderr.write(f"memory: {name}: {weighed.peak_growth_mib / base_mib:.3f} of the first step's peak\n")


def _line(case: Case, device: str, weighed: Weighed | None) -> dict[str, object]:
    return {
        "variant": case.variant,
        "image_size_px": case.image_size_px,
        "batch": case.batch,
        "step": case.step,
        "parameters": weighed.parameters if weighed else None,
        "peak_growth_mib": round(weighed.peak_growth_mib, 1) if weighed else None,
        "device": device_name(pick_device(device)),
        "torch": torch.__version__,
    }


def _in_its_own_process(case: Case, device: str) -> Weighed | None:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        try:
            return pool.submit(weigh, case, device).result()
        except BrokenProcessPool:
            sys.stderr.write("memory: the process was killed (out of memory?)\n")
            return None


def weigh(case: Case, device_option: str) -> Weighed:
    """Return the peak growth of this process over two training steps. Run it in a fresh process."""
    keep_freed_memory()
    device = pick_device(device_option)
    x_BCHW = noise_images(case, device)
    before = reset_peak(device)
    contestant = build(case, device)
    for index in range(1, TRAINING_STEPS + 1):
        contestant.step(x_BCHW, index, None)
    return Weighed(contestant.parameters, (peak_bytes(device) - before) / MIB)


def reset_peak(device: torch.device) -> int:
    """Reset the peak of memory; return the bytes in use."""
    gc.collect()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return torch.cuda.memory_allocated(device)
    Path("/proc/self/clear_refs").write_text(RESET_PEAK_RSS, encoding="ascii")
    return status_bytes("VmRSS")


def peak_bytes(device: torch.device) -> int:
    """Return the peak of bytes in use since `reset_peak`."""
    return torch.cuda.max_memory_allocated(device) if device.type == "cuda" else status_bytes("VmHWM")


def status_bytes(field: str) -> int:
    """Return a field of this process's /proc/self/status."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        name, _, value = line.partition(":")
        if name == field:
            return int(value.removesuffix("kB")) * 1024
    raise SystemExit(f"/proc/self/status: has no {field}; resident memory can be measured only on Linux")


if __name__ == "__main__":
    main()
