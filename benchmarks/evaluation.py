"""How long a verdict takes beside making the images, and how much memory it needs.

The whole step `evaluate` is timed, with its report. A generator of 1024 px before training stands for any other, and
rendered packages for real ones. The last line is JSON. `ratio` is the time of the step over the time of generating the
images alone.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.cases import device_name
from benchmarks.sets import rendered_packages
from fabgan.components.artifacts.generator import Generator, generate, save_generator
from fabgan.components.core.workers import keep_freed_memory
from fabgan.components.evaluate import step as evaluate
from fabgan.components.measures.parameters import EvaluateParameters
from fabgan.model.seamless.config import SeamlessConfig
from fabgan.model.seamless.generator import SeamlessGenerator

SIZE_PX = 1024
WIDTH = 8
"""As in the preset `seamless`."""
RENDERER = {
    "frame_width_px": 2800,
    "frame_height_px": 2100,
    "products": 3,
    "frames_per_lot": 8,
    "min_balls_per_side": 12,
    "max_balls_per_side": 16,
    "max_angle_deg": 20,
    "min_body_share": 0.55,
    "max_body_share": 0.65,
    "defect_share": 0.1,
    "grey": False,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one evaluation and the generation of its images, and print both."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation", description=__doc__)
    parser.add_argument("--images", type=int, default=1000, help="number of generated images (default: 1000)")
    parser.add_argument("--real", type=int, default=200, help="number of real images (default: 200)")
    parser.add_argument("--folder", type=Path, default=Path("build/evaluation"), help="folder for the real images")
    options = parser.parse_args(arguments)
    keep_freed_memory()
    source = {"frames": options.real, "seed": 1, "renderer": RENDERER}
    packages = rendered_packages(options.folder / str(options.real), source, SIZE_PX, min_side_px=SIZE_PX).folder
    generator, params = _generator(), EvaluateParameters(generated_images=options.images)
    list(generate(generator, 2, 0))
    generated_s = _generating_s(generator, options.images)
    before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as folder:
        trained, report, training = (Path(folder) / name for name in ("generator", "report", "training"))
        training.mkdir()
        (training / "losses.csv").write_text("images\n", encoding="utf-8")
        save_generator(trained, "seamless", generator, {"parameters": {}})
        started_s = time.perf_counter()
        evaluate.run(params, packages, trained, training, report)
        evaluated_s = time.perf_counter() - started_s
    # Again, because the speed of a computer changes.
    generated_s = (generated_s + _generating_s(generator, options.images)) / 2
    line = {
        "images": options.images,
        "real_images": options.real,
        "image_size_px": SIZE_PX,
        "ratio": round(evaluated_s / generated_s, 2),
        "generated_s": round(generated_s, 1),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "generation_peak_mib": before_kib // 1024,
        "device": device_name(torch.device("cpu")),
        "torch": torch.__version__,
    }
    print(json.dumps(line))
    return 0


def _generating_s(generator: Generator, count: int) -> float:
    started_s = time.perf_counter()
    for _ in generate(generator, count, 1):
        pass
    return time.perf_counter() - started_s


def _generator() -> Generator:
    config = SeamlessConfig(
        image_size_px=SIZE_PX,
        channels=3,
        latent_size=64,
        generator_width=WIDTH,
        discriminator_width=16,
        full_discriminator_width=32,
        feature_cap=64,
        kinds=16,
    )
    return SeamlessGenerator(config).eval()


if __name__ == "__main__":
    sys.exit(main())
