"""How long a verdict takes beside making the images, and how much memory it needs.

A generator of 1024 px is measured against real images that are noise: their content changes neither time nor memory.
The last line is JSON. `ratio` is the time of the whole evaluation over the time of generating the images alone.
"""

import argparse
import json
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from benchmarks.cases import device_name
from fabgan.components.artifacts.generator import Generator, generate
from fabgan.components.artifacts.manifest import Package, PackageManifest, write_manifest
from fabgan.components.artifacts.packages import open_packages
from fabgan.components.core.files import sha256_of_file
from fabgan.components.core.images import write_png
from fabgan.components.measures.evaluation import judged
from fabgan.components.measures.parameters import EvaluateParameters
from fabgan.components.measures.sensitivity import sensitivity_of
from fabgan.model.seamless.config import SeamlessConfig
from fabgan.model.seamless.generator import SeamlessGenerator

SIZE_PX = 1024
LOT_IMAGES = 8
WIDTH = 8
"""As in the preset `seamless`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure one evaluation and the generation of its images, and print both."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.evaluation", description=__doc__)
    parser.add_argument("--images", type=int, default=1000, help="number of generated images (default: 1000)")
    parser.add_argument("--real", type=int, default=200, help="number of real images (default: 200)")
    options = parser.parse_args(arguments)
    generator = _generator()
    with tempfile.TemporaryDirectory() as folder:
        packages = _noise_packages(Path(folder), options.real)
        params = EvaluateParameters(generated_images=options.images)
        list(generate(generator, 2, 0))
        started_s = time.perf_counter()
        for _ in generate(generator, options.images, params.seed):
            pass
        generated_s = time.perf_counter() - started_s
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        started_s = time.perf_counter()
        images = generate(generator, options.images, params.seed)
        found = judged(images, options.images, "", packages, SIZE_PX, params, "evaluate")
        judged_s = time.perf_counter() - started_s
        sensitivity_of(open_packages(packages, SIZE_PX, "held_out"), found.real, found.extractor, params)
        evaluated_s = time.perf_counter() - started_s
    line = {
        "images": options.images,
        "real_images": options.real,
        "image_size_px": SIZE_PX,
        "ratio": round(evaluated_s / generated_s, 2),
        "sensitivity_s": round(evaluated_s - judged_s, 1),
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "generation_peak_mib": before_kib // 1024,
        "device": device_name(torch.device("cpu")),
        "torch": torch.__version__,
    }
    print(json.dumps(line))
    return 0


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


def _noise_packages(folder: Path, count: int) -> Path:
    """Write a folder of packages whose images are noise, in lots, one of four of them held out."""
    random, listed = np.random.default_rng(1), []
    for index in range(count):
        path = folder / f"{index:04d}.png"
        write_png(path, random.integers(0, 256, (SIZE_PX, SIZE_PX, 3), dtype=np.uint8))
        lot, size = index // LOT_IMAGES, str(SIZE_PX)
        listed.append(
            Package(
                name=path.stem,
                source=path.name,
                source_sha256="",
                label=None,
                lot=str(lot),
                product="",
                split="train" if lot % 4 else "held_out",
                outline_px=[],
                angle_deg=0.0,
                crop_px=float(SIZE_PX),
                files={size: path.name},
                scales={size: 1.0},
                sha256={size: sha256_of_file(path)},
            )
        )
    write_manifest(folder, PackageManifest([SIZE_PX], 3, listed, []))
    return folder


if __name__ == "__main__":
    sys.exit(main())
