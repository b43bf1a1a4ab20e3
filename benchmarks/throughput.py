"""How fast variants train and generate: `python -m benchmarks.throughput --variants paper dcgan --image-size 128`.

Every round measures all entries in turn, so that other work on the computer affects them equally. A variant with two
types of training step is two entries. Prints one JSON line per entry: medians over the rounds, and the median of the
per-round ratios to the first entry. Progress goes to standard error.
"""

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from statistics import median

import torch
from torch import Tensor

from benchmarks.cases import (
    SEED,
    STEPS,
    VARIANTS,
    Case,
    Contestant,
    add_options,
    build,
    cases_of,
    device_name,
    noise_images,
    pick_device,
)
from fabgan.components.core.progress import Progress
from fabgan.model.streams import random_stream

PLANNED_STEPS = 1000


@dataclass
class Entry:
    """A contestant and its images per second, one figure per round."""

    name: str
    case: Case
    contestant: Contestant
    x_BCHW: Tensor
    z_BZ: Tensor
    training: list[float] = field(default_factory=list)
    generating: list[float] = field(default_factory=list)

    def train(self) -> int:
        """Make one cycle of training steps; return the number of images shown."""
        for index in range(1, self.contestant.cycle + 1):
            self.contestant.step(self.x_BCHW, index, None)
        return self.contestant.cycle * self.case.batch

    def generate(self) -> int:
        """Generate a batch of images; return their number."""
        return len(self.contestant.generate(self.z_BZ, torch.rand(len(self.z_BZ), device=self.z_BZ.device)))


def main() -> None:
    """Time the entries, and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    variants = "default: paper dcgan"
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=["paper", "dcgan"], help=variants)
    size = "side of the images in pixels (default: 64)"
    parser.add_argument("--image-size", type=int, default=64, metavar="PX", help=size)
    modes = "types of training step (default: both)"
    parser.add_argument("--step", nargs="+", choices=STEPS, default=["joint", "region_wise"], help=modes)
    parser.add_argument("--rounds", type=int, default=3, help="number of rounds (default: 3)")
    parser.add_argument("--seconds", type=float, default=0.5, help="minimum time of a measurement (default: 0.5)")
    add_options(parser)
    options = parser.parse_args()
    device = pick_device(options.device)
    cases = cases_of(options.variants, [options.image_size], options.step, options.batch, PLANNED_STEPS)
    entries = [entry_of(case, device) for case in cases]
    progress = Progress("throughput", options.rounds * len(entries), "measurements")
    for _ in range(options.rounds):
        for entry in entries:
            entry.training.append(_images_per_s(entry.train, options.seconds, device))
            entry.generating.append(_images_per_s(entry.generate, options.seconds, device))
            progress.advance(1)
    for entry in entries:
        print(json.dumps(_line(entry, entries[0], device)))


def entry_of(case: Case, device: torch.device) -> Entry:
    """Build a case and run it once, because the first training step also chooses algorithms and makes Adam's state."""
    contestant = build(case, device)
    z_BZ = torch.randn(case.batch, contestant.latent_size, generator=random_stream(SEED, "latents")).to(device)
    several = len(VARIANTS[case.variant].steps) > 1
    name = f"{case.variant}/{case.step}" if several else case.variant
    entry = Entry(name, case, contestant, noise_images(case, device), z_BZ)
    contestant.step(entry.x_BCHW, 1, None)
    entry.generate()
    return entry


def _images_per_s(action: Callable[[], int], min_s: float, device: torch.device) -> float:
    done, started_s = 0, _now_s(device)
    while True:
        done += action()
        elapsed_s = _now_s(device) - started_s
        if elapsed_s >= min_s:
            return done / elapsed_s


def _now_s(device: torch.device) -> float:
    """Return the time after all work on the device has ended."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return time.perf_counter()


def _line(entry: Entry, first: Entry, device: torch.device) -> dict[str, object]:
    return {
        "entry": entry.name,
        "image_size_px": entry.case.image_size_px,
        "batch": entry.case.batch,
        "rounds": len(entry.training),
        "parameters": entry.contestant.parameters,
        "training_images_per_s": round(median(entry.training), 3),
        "training_ratio_to_first": round(_paired_ratio(entry.training, first.training), 3),
        "generated_images_per_s": round(median(entry.generating), 3),
        "generated_ratio_to_first": round(_paired_ratio(entry.generating, first.generating), 3),
        "device": device_name(device),
        "torch": torch.__version__,
    }


def _paired_ratio(rates: list[float], of_first: list[float]) -> float:
    return median(rate / first for rate, first in zip(rates, of_first, strict=True))


if __name__ == "__main__":
    main()
