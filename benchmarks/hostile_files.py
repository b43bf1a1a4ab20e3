"""Files as disks, networks and colleagues leave them: none stops `ingest`, disappears, or is taken for what it is not.

Files of every format are written whole, in unusual but correct ways, and damaged in seeded ways. `ingest` takes them
all as one source. The last line is JSON:

- `tried`: number of files, of so many `kinds`;
- `crashed`: 1 if the step ended with anything but its manifest;
- `silent`: files that are neither accepted nor quarantined nor skipped;
- `wrong`: whole files that are refused or have other pixels, and cut files that are accepted.
"""

import argparse
import io
import json
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from fabgan.components.artifacts.manifest import FrameManifest, read_manifest
from fabgan.components.core.errors import UserError
from fabgan.components.core.images import Pixels, read_image
from fabgan.components.core.parameters import parse
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.parameters import IngestParameters

Random = np.random.Generator
SIDES_PX = (64, 80)
LOSSY = 12.0
"""Largest mean error of pixels after a lossy format, in grey levels. A GIF keeps 256 colours."""
FORMATS: dict[str, tuple[str, dict[str, object]]] = {
    "jpeg": ("JPEG", {"quality": 95}),
    "jpeg, progressive": ("JPEG", {"quality": 95, "progressive": True}),
    "png": ("PNG", {}),
    "tiff": ("TIFF", {}),
    "tiff, lzw": ("TIFF", {"compression": "tiff_lzw"}),
    "tiff, deflate": ("TIFF", {"compression": "tiff_adobe_deflate"}),
    "bmp": ("BMP", {}),
    "gif": ("GIF", {}),
    "webp": ("WEBP", {"quality": 95}),
    "jpeg 2000": ("JPEG2000", {}),
    "ppm": ("PPM", {}),
    "avif": ("AVIF", {"quality": 95}),
}


def _whole(content: bytes, random: Random) -> bytes:
    return content


def _cut(content: bytes, random: Random) -> bytes:
    return content[: int(random.integers(1, len(content) * 9 // 10))]


def _header_changed(content: bytes, random: Random) -> bytes:
    return _changed(content, random, min(200, len(content)))


def _bits_flipped(content: bytes, random: Random) -> bytes:
    return _changed(content, random, len(content))


def _changed(content: bytes, random: Random, reach: int) -> bytes:
    found = bytearray(content)
    for place in random.integers(0, reach, random.integers(1, 12)):
        found[place] ^= int(random.integers(1, 256))
    return bytes(found)


def _inserted(content: bytes, random: Random) -> bytes:
    at = int(random.integers(len(content)))
    return content[:at] + random.bytes(int(random.integers(1, 300))) + content[at:]


DAMAGES: dict[str, Callable[[bytes, Random], bytes]] = {
    "whole": _whole,
    "cut": _cut,
    "header changed": _header_changed,
    "bits flipped": _bits_flipped,
    "bytes inserted": _inserted,
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the files, take them, and print what became of each kind; return 1 if one was treated wrongly."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hostile_files", description=__doc__)
    parser.add_argument("--files", type=int, default=45, help="files of each kind (default: 45)")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as folder:
        source, output = Path(folder) / "photographs", Path(folder) / "frames"
        truth = _write(source, options.files)
        started_s = time.perf_counter()
        crashed = _ingest(source, output)
        elapsed_s = time.perf_counter() - started_s
        found = {"crashed": 1} if crashed else _judged(source, output, truth)
    print(
        json.dumps(
            {
                "tried": len(FORMATS) * len(DAMAGES) * options.files,
                "kinds": len(FORMATS) * len(DAMAGES),
                **found,
                "seconds_per_file": round(elapsed_s / (len(FORMATS) * len(DAMAGES) * options.files), 4),
                "peak_mib": resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024,
            }
        )
    )
    return int(any(found[key] for key in ("crashed", "silent", "wrong") if key in found))


def _write(source: Path, count: int) -> dict[str, Pixels]:
    """Write the files of every kind into a lot of its own; return what each whole file shows."""
    truth = {}
    for at, (name, (form, settings)) in enumerate(FORMATS.items()):
        for way, (damage, spoil) in enumerate(DAMAGES.items()):
            lot = source / f"{name.replace(', ', '-').replace(' ', '-')}.{damage.replace(' ', '-')}"
            lot.mkdir(parents=True)
            for index in range(count):
                random = np.random.default_rng([at, way, index])
                coarse = random.integers(0, 256, (*(side // 8 for side in SIDES_PX), 3), dtype=np.uint8)
                picture = Image.fromarray(coarse).resize(SIDES_PX[::-1], Image.Resampling.BICUBIC)
                buffer = io.BytesIO()
                picture.save(buffer, form, **settings)
                path = lot / f"{index:03d}.img"
                path.write_bytes(spoil(buffer.getvalue(), random))
                if spoil is _whole:
                    truth[path.relative_to(source).as_posix()] = np.asarray(picture)
    return truth


def _ingest(source: Path, output: Path) -> bool:
    """Run the step; return whether it crashed."""
    params = parse(
        IngestParameters,
        {"source": str(source), "min_side_px": 1, "max_quarantined_share": 1.0, "held_out_share": 0.3},
        "benchmark",
    )
    try:
        ingest.run(params, output)
    except UserError as error:
        print(error, file=sys.stderr)
        return True
    return False


def _judged(source: Path, output: Path, truth: dict[str, Pixels]) -> dict[str, int]:
    manifest = read_manifest(output, FrameManifest)
    accepted = {frame.source: frame for frame in manifest.images}
    refused = {item.source: item.reason for item in manifest.quarantined}
    copies = {name for name, reason in refused.items() if reason.startswith("the same bytes as")}
    kinds = Counter(f"{name.split('/')[0]}: {'accepted' if name in accepted else 'refused'}" for name in _names(source))
    for kind, number in sorted(kinds.items()):
        print(kind, number)
    wrong = [name for name in truth if name not in accepted and name not in copies]
    wrong += [name for name in accepted if name.split("/")[0].endswith(".cut")]
    for name in truth.keys() & accepted.keys():
        frame = accepted[name]
        pixels = read_image(output / frame.file, frame.sha256, frame.white_level)
        if pixels.shape != truth[name].shape or np.abs(pixels.astype(int) - truth[name]).mean() > LOSSY:
            wrong.append(name)
    for name in wrong:
        print("wrong:", name, refused.get(name, "accepted"))
    silent = len(_names(source)) - len(accepted) - len(refused) - sum(manifest.skipped.values())
    return {"crashed": 0, "silent": silent, "wrong": len(wrong)}


def _names(source: Path) -> list[str]:
    return [path.relative_to(source).as_posix() for path in source.rglob("*") if path.is_file()]


if __name__ == "__main__":
    sys.exit(main())
