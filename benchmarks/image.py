"""Size of the container image and of its archive in the bundle: `python -m benchmarks.image IMAGE`.

Prints one JSON line.
"""

import argparse
import json
import tempfile
from pathlib import Path

from bundle.engine import docker, save_image

MIB = 2**20


def main() -> None:
    """Print the size of an image, of its gzip'd archive, and of its layers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("image", help="name of the image, with its tag")
    image = parser.parse_args().image
    layers = docker("history", "--no-trunc", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", image)
    print(json.dumps(_sizes(image) | {"layers_mib": _layers(layers)}))


def _sizes(image: str) -> dict[str, object]:
    size = int(docker("image", "inspect", "--format", "{{.Size}}", image))
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder) / "image.tar.gz"
        save_image(image, archive)
        return {"image": image, "size_mib": size // MIB, "archive_mib": archive.stat().st_size // MIB}


def _layers(history: str) -> list[int]:
    sizes = [int(line.split(" ", 1)[0]) for line in reversed(history.splitlines())]
    return [size // MIB for size in sizes if size >= MIB]


if __name__ == "__main__":
    main()
