"""How fast photographs in an object store become crops: `python -m benchmarks.photograph_speed`.

JPEG photographs of 4000 x 3000 px lie in a real S3 server on this computer (`make .venv-s3/installed`). The steps
`ingest` and `crop_resize` of this checkout, and of an earlier one that `--baseline` names, take turns. Each step is a
process of its own that starts without an earlier result. At the end, one photograph is added, and both steps of this
checkout run again. The last line is JSON.

The PSNR compares crops with those that the true outline cuts out of the frame before JPEG compression.
"""

import argparse
import io
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from fabgan.components.core.images import Pixels, read_image, resize
from fabgan.components.core.progress import Progress
from fabgan.components.crop_resize.outline import straighten
from fabgan.components.crop_resize.outline.geometry import outline_from_corners
from fabgan.components.crop_resize.parameters import CropResizeParameters
from fabgan.components.ingest.renderer import render_frame
from fabgan.components.services.storage import upload
from tests.servers.s3 import running_s3

from .outline import PARAMETERS

HERE = Path(__file__).resolve().parents[1]
BUCKET = "photographs"
SEED, QUALITY = 5, 92
SIZE_PX = 128
VARIANTS = 4
"""Photographs of one frame, in one lot, each a little darker than the one before; rendering takes long."""
STEPS = f"""
import sys
from pathlib import Path
from fabgan.components.core.cores import keep_to_usable_cores
keep_to_usable_cores()
step, folder = sys.argv[1], Path(sys.argv[2])
if step == "ingest":
    from fabgan.components.ingest.parameters import IngestParameters
    from fabgan.components.ingest.step import run
    run(IngestParameters(source="s3://{BUCKET}"), folder / "frames")
else:
    from fabgan.components.crop_resize.parameters import CropResizeParameters
    from fabgan.components.crop_resize.step import run
    run(CropResizeParameters(sizes_px=({SIZE_PX},)), folder / "frames", folder / "packages")
"""


@dataclass(frozen=True)
class _Run:
    """The two steps of one checkout over all photographs."""

    elapsed_s: float
    cpu_s: float
    """Processor time of all processes of the steps, without the store's."""
    crops: dict[str, Path]
    """By the paths of their photographs."""


def main() -> None:
    """Measure, and print one line of JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.photograph_speed", description="Speed of photographs.")
    parser.add_argument("--baseline", type=Path, help="folder of an earlier checkout; default: none is compared")
    parser.add_argument("--frames", type=int, default=96, help="number of photographs (default: 96)")
    parser.add_argument("--rounds", type=int, default=3, help="number of runs of each checkout (default: 3)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, running_s3(Path(folder) / "store") as server:
        os.environ.update(server.environment)
        checkouts = {"baseline": options.baseline.resolve()} if options.baseline else {}
        print(json.dumps(_measure(checkouts | {"present": HERE}, options.frames, options.rounds, Path(folder))))


def _measure(checkouts: dict[str, Path], frames: int, rounds: int, folder: Path) -> dict[str, object]:
    references = _fill_store(frames)
    runs: dict[str, list[_Run]] = {name: [] for name in checkouts}
    for number in range(rounds):
        for name, checkout in checkouts.items():
            runs[name].append(_run(checkout, folder / f"{name}-{number}"))
            print(f"{name}: {frames / runs[name][-1].elapsed_s:.2f} frames/s")
    _put("added/0.jpg", render_frame(PARAMETERS, SEED, frames).image)
    one_more_s = _run(HERE, folder / f"present-{rounds - 1}").elapsed_s
    rates = {name: frames / median(run.elapsed_s for run in done) for name, done in runs.items()}
    return {
        "frames": frames,
        "rounds": rounds,
        "cores": len(os.sched_getaffinity(0)),
        "frames_per_s": {name: round(rate, 2) for name, rate in rates.items()},
        "ratio": round(rates["present"] / rates["baseline"], 2) if "baseline" in rates else None,
        "cpu_s_per_frame": {name: round(median(run.cpu_s for run in done) / frames, 3) for name, done in runs.items()},
        "psnr_db": {name: round(_psnr_db(references, done[-1]), 2) for name, done in runs.items()},
        "one_more_s": round(one_more_s, 2),
    }


def _fill_store(frames: int) -> dict[str, Pixels]:
    """Upload photographs; return the reference crops of those as bright as their frames, by path."""
    import boto3

    boto3.client("s3", endpoint_url=os.environ["AWS_ENDPOINT_URL_S3"]).create_bucket(Bucket=BUCKET)
    margin_share = CropResizeParameters(sizes_px=(SIZE_PX,)).margin_share
    references, progress = {}, Progress("upload", frames, "frames")
    for number in range(-(-frames // VARIANTS)):
        frame = render_frame(PARAMETERS, SEED, number)
        crop = straighten(frame.image, outline_from_corners(np.array(frame.truth.outline_px)), margin_share)
        references[f"{number}/0.jpg"] = resize(crop, SIZE_PX)
        for variant in range(min(VARIANTS, frames - number * VARIANTS)):
            _put(f"{number}/{variant}.jpg", (frame.image * (1 - 0.02 * variant)).astype(np.uint8))
            progress.advance(1)
    return references


def _put(key: str, image: Pixels) -> None:
    stored = io.BytesIO()
    Image.fromarray(image).save(stored, format="JPEG", quality=QUALITY)
    upload(stored.getvalue(), BUCKET, key, {})


def _run(checkout: Path, folder: Path) -> _Run:
    """Run both steps of a checkout in `folder`. What lies there from an earlier run is taken over."""
    folder.mkdir(exist_ok=True)
    started_s, cpu_s = time.perf_counter(), _children_cpu_s()
    for step in ("ingest", "crop_resize"):
        environment = os.environ | {"PYTHONPATH": str(checkout)}
        command = [sys.executable, "-c", STEPS, step, str(folder)]
        subprocess.run(command, cwd=checkout, env=environment, check=True, stderr=subprocess.DEVNULL)
    elapsed_s, cpu_s = time.perf_counter() - started_s, _children_cpu_s() - cpu_s
    images = json.loads((folder / "packages" / "manifest.json").read_text())["images"]
    crops = {image["source"]: folder / "packages" / image["files"][str(SIZE_PX)] for image in images}
    return _Run(elapsed_s, cpu_s, crops)


def _children_cpu_s() -> float:
    """Return the processor time of all processes that this one started and that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _psnr_db(references: dict[str, Pixels], run: _Run) -> float:
    """Return the mean peak signal-to-noise ratio of the crops that have a reference."""

    def each() -> Iterator[float]:
        for source, reference in references.items():
            difference = read_image(run.crops[source]).astype(np.float64) - reference
            yield float(10 * np.log10(255**2 / np.mean(difference**2)))

    return float(np.mean(list(each())))


if __name__ == "__main__":
    main()
