"""The source paper's table: `python -m benchmarks.table --variants dcgan paper seamless --sizes 128 --seeds 0 1 2`.

Every variant trains on the same packages for the same time, in float32. On a CPU this is processor time, so other work
on the machine does not change it. The number of training steps that fit is measured first, so that learning rates can
fall towards the last step. The kinds for `seamless` are found before the clock starts.

Each run has a process of its own, which may grow by at most `--memory-gib`. A variant that needs more is "out of
memory", as in the paper. The row `training_images` measures the training images themselves, and so shows how far
training lots are from held-out lots.

Prints one JSON line per run. `--show FILE ...` turns such lines into a table in Markdown.
"""

import argparse
import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from benchmarks.cases import VARIANTS, Case, Contestant, build, device_name, noise_images, pick_device
from benchmarks.memory import MIB, peak_bytes, reset_peak, status_bytes
from benchmarks.random_features import extract, extract_real, measure
from benchmarks.table_report import markdown
from fabgan.components.artifacts.generator import latents
from fabgan.components.artifacts.packages import load_packages, open_packages
from fabgan.components.artifacts.sheets import image_grid
from fabgan.components.core.errors import UserError
from fabgan.components.core.images import write_png
from fabgan.components.core.progress import Progress
from fabgan.components.crop_resize import step as crop_resize
from fabgan.components.crop_resize.parameters import CropResizeParameters
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.parameters import IngestParameters
from fabgan.components.train.kinds import Kinds, find_kinds
from fabgan.components.train.parameters import SeamlessSettings
from fabgan.model.pixels import to_uint8
from fabgan.model.streams import random_stream

FULL_SIZES_PX = [256, 512, 1024]
FULL_SECONDS = 7200.0
SAMPLE_BATCH = 16
SHEET_IMAGES = 16
TRAINING_IMAGES = "training_images"
KINDS = SeamlessSettings()


@dataclass(frozen=True)
class Run:
    """One cell of the table."""

    variant: str
    image_size_px: int
    seed: int
    batch: int
    seconds: float
    memory_gib: float
    generated_images: int
    packages: Path
    sheets: Path
    device: str
    threads: int


@dataclass(frozen=True)
class Images:
    """The training images, with their kinds."""

    x_NCHW: Tensor
    kinds: Kinds


def main() -> None:
    """Run the requested cells, `--jobs` at a time."""
    parser = _parser()
    options = parser.parse_args()
    if options.show:
        lines = (line for file in options.show for line in file.read_text(encoding="utf-8").splitlines())
        print(markdown([json.loads(line) for line in lines]))
        return
    if options.full:
        options.sizes, options.seconds = FULL_SIZES_PX, FULL_SECONDS
    try:
        for line in _in_their_own_processes(list(_runs(options, _packages(options))), options.jobs):
            print(json.dumps(line), flush=True)
    except UserError as error:
        parser.error(str(error))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    variants = [TRAINING_IMAGES, *VARIANTS]
    parser.add_argument("--variants", nargs="+", choices=variants, default=variants, help="default: all")
    sizes = "sides of the images in pixels (default: 128)"
    parser.add_argument("--sizes", nargs="+", type=int, default=[128], metavar="PX", help=sizes)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0], help="default: 0")
    parser.add_argument("--seconds", type=float, default=120, help="training time of each run (default: 120)")
    parser.add_argument("--batch", type=int, default=8, help="images per training step (default: 8)")
    parser.add_argument("--memory-gib", type=float, default=8, help="maximum growth of a run's process (default: 8)")
    parser.add_argument("--generated", type=int, default=256, help="number of measured images (default: 256)")
    parser.add_argument("--source", default="data/rendered.yaml", help="as ingest.source: a .yaml file, or photographs")
    parser.add_argument("--lot-pattern", default="^([^/]+)/", help="as ingest.lot_pattern")
    parser.add_argument(
        "--work", type=Path, default=Path("out/table"), help="folder for packages and sheets of samples"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu or cuda (default: auto)")
    parser.add_argument("--jobs", type=int, default=1, help="runs at the same time, each with its share of the cores")
    parser.add_argument("--full", action="store_true", help="256, 512 and 1024 px for two hours each, for a GPU")
    parser.add_argument("--show", nargs="+", type=Path, metavar="FILE", help="only print these JSON lines as a table")
    return parser


def _packages(options: argparse.Namespace) -> Path:
    """Make the packages at every size from the source, and return their folder."""
    folder: Path = options.work / Path(options.source).stem
    ingested = IngestParameters(
        source=options.source,
        revision="",
        lot_pattern=options.lot_pattern,
        labels_file="",
        held_out_share=0.25,
        max_quarantined_share=0.1,
        min_side_px=256,
        seed=1,
    )
    ingest.run(ingested, folder / "frames")
    cropped = CropResizeParameters(
        sizes_px=tuple(options.sizes), margin_share=0.04, grey=False, max_quarantined_share=0.2
    )
    crop_resize.run(cropped, folder / "frames", folder / "packages")
    return folder / "packages"


def _runs(options: argparse.Namespace, packages: Path) -> Iterator[Run]:
    for size_px in options.sizes:
        for seed in options.seeds:
            for variant in options.variants:
                yield Run(
                    variant=variant,
                    image_size_px=size_px,
                    seed=seed,
                    batch=options.batch,
                    seconds=options.seconds,
                    memory_gib=options.memory_gib,
                    generated_images=options.generated,
                    packages=packages,
                    sheets=packages.parent / "sheets",
                    device=options.device,
                    threads=max(torch.get_num_threads() // options.jobs, 1),
                )


def _in_their_own_processes(runs: list[Run], jobs: int) -> Iterator[dict[str, object]]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(jobs, mp_context=context, max_tasks_per_child=1) as pool:
        for run, future in [(run, pool.submit(learn, run)) for run in runs]:
            line = _line(run, future)
            sys.stderr.write(f"table: {line['variant']} at {line['image_size_px']} px, seed {line['seed']}: ")
            sys.stderr.write(f"{line.get('frechet_random', 'out of memory')}\n")
            yield line


def _line(run: Run, future: "Future[dict[str, object]]") -> dict[str, object]:
    keys = ("variant", "image_size_px", "seed", "batch", "memory_gib")
    known = {key: value for key, value in asdict(run).items() if key in keys} | {"data": run.packages.parent.name}
    return known | future.result() | {"torch": torch.__version__}


def learn(run: Run) -> dict[str, object]:
    """Return the figures of one run. Run it in a fresh process."""
    torch.set_num_threads(run.threads)
    device = pick_device(run.device)
    x_NCHW = load_packages(run.packages, run.image_size_px, "train")
    known: dict[str, object] = {"device": device_name(device)}
    if run.variant == TRAINING_IMAGES:
        return known | _measured(run, x_NCHW)
    images = Images(x_NCHW.to(device), find_kinds(x_NCHW, None, KINDS.max_kinds, KINDS.min_images_per_kind))
    _warm_up(device)
    _limit_memory(run.memory_gib, device)
    try:
        return known | _learned(run, images, device)
    except (MemoryError, RuntimeError, OSError, ImportError) as error:
        if not _is_out_of_memory(error):
            raise
        return known | {"out_of_memory": True}


def _learned(run: Run, images: Images, device: torch.device) -> dict[str, object]:
    before = reset_peak(device)
    steps = _steps_that_fit(run, device)
    contestant = _contestant(run, steps, device, tuple(images.kinds.shares))
    started_s = _clock_s(device)
    for index in range(1, steps + 1):
        stream = random_stream(run.seed, "batch", index)
        chosen_B = torch.randperm(len(images.x_NCHW), generator=stream)[: run.batch]
        contestant.step(images.x_NCHW[chosen_B.to(device)], index, images.kinds.numbers_N[chosen_B].to(device))
    seconds = _clock_s(device) - started_s
    return {
        "parameters": contestant.parameters,
        "peak_growth_mib": round((peak_bytes(device) - before) / MIB, 1),
        "images": steps * run.batch,
        "seconds": round(seconds, 1),
        "images_per_s": round(steps * run.batch / seconds, 2),
        **_measured(run, _samples(run, contestant, device)),
    }


def _steps_that_fit(run: Run, device: torch.device) -> int:
    """Return how many training steps fit into the time, from one timed cycle of steps after a step to warm up."""
    trial = _contestant(run, 1, device)
    x_BCHW = noise_images(_case(run, 1), device)
    trial.step(x_BCHW, 1, None)
    started_s = _clock_s(device)
    for index in range(1, trial.cycle + 1):
        trial.step(x_BCHW, index, None)
    return max(round(run.seconds * trial.cycle / (_clock_s(device) - started_s)), 1)


def _case(run: Run, steps: int) -> Case:
    mode = VARIANTS[run.variant].steps[-1]
    return Case(run.variant, run.image_size_px, run.batch, mode, steps, run.seed)


def _contestant(run: Run, steps: int, device: torch.device, kind_shares: tuple[float, ...] = (1.0,)) -> Contestant:
    return build(replace(_case(run, steps), kind_shares=kind_shares), device)


def _measured(run: Run, made_NCHW: Tensor) -> dict[str, float]:
    name = f"{run.variant}_{run.image_size_px}_{run.seed}.png"
    write_png(run.sheets / name, image_grid(made_NCHW[:SHEET_IMAGES]))
    real = open_packages(run.packages, run.image_size_px)
    progress = Progress(f"table: {run.variant}", len(real.listed) + len(made_NCHW), "images")
    seen = extract_real(real, run.seed, progress)
    made = extract(made_NCHW, random_stream(run.seed, "patches"), progress)
    measures = asdict(measure(made, made, seen, run.seed))
    del measures["frechet_random_untrained"]  # this table compares variants with each other
    return {name: round(value, 4) for name, value in measures.items()}


def _samples(run: Run, contestant: Contestant, device: torch.device) -> Tensor:
    drawn = latents(run.generated_images, contestant.latent_size, run.seed)
    batches = zip(*(torch.split(values.to(device), SAMPLE_BATCH) for values in drawn), strict=True)
    return torch.cat([to_uint8(contestant.generate(z_BZ, quantiles_B)).cpu() for z_BZ, quantiles_B in batches])


def _warm_up(device: torch.device) -> None:
    """Run one small training step, so that torch loads its libraries and starts its threads.

    If memory runs out inside an import, Python raises unrelated errors such as SystemError.
    """
    layer = torch.nn.Conv2d(3, 8, 3).to(device)
    layer(torch.zeros(4, 3, 64, 64, device=device)).sum().backward()
    torch.optim.Adam(layer.parameters()).step()


def _limit_memory(memory_gib: float, device: torch.device) -> None:
    """Limit the growth of this process."""
    limit = int(memory_gib * 2**30)
    if device.type == "cuda":
        whole = torch.cuda.get_device_properties(device).total_memory
        torch.cuda.set_per_process_memory_fraction(min(limit / whole, 1.0), device)
    else:
        data = status_bytes("VmData") + limit
        resource.setrlimit(resource.RLIMIT_DATA, (data, data))


def _is_out_of_memory(error: Exception) -> bool:
    """Return whether memory ran out, by the messages of allocators, linker, threads and oneDNN's kernel compiler."""
    words = (
        "allocate memory",
        "out of memory",
        "bad_alloc",
        "start new thread",
        "failed to map segment",
        "could not create a primitive",
    )
    return isinstance(error, MemoryError) or any(word in str(error) for word in words)


def _clock_s(device: torch.device) -> float:
    """Return processor time on a CPU, which other processes may share, and elapsed time on a GPU."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
        return time.perf_counter()
    return time.process_time()


if __name__ == "__main__":
    main()
