"""The wheelhouse: every wheel that fabgan needs, and a requirements.txt that pins each by its digest.

`python -m bundle.wheels FOLDER FLAVOUR` writes the requirements.txt of a folder of wheels.
"""

import re
import shutil
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from fabgan.components.core.errors import UserError
from fabgan.components.core.files import atomic_file, sha256_of_file

FLAVOURS = ("cpu", "cuda")


@dataclass(frozen=True)
class Wheel:
    """One wheel: name and version from its file name, and the digest of its bytes."""

    name: str
    version: str
    sha256: str
    filename: str


def read_wheels(folder: Path) -> list[Wheel]:
    """Return the wheels of a folder, sorted by file name. Raises UserError if there are none."""
    files = sorted(folder.glob("*.whl"), key=lambda file: file.name.lower())
    if not files:
        raise UserError(f"{folder}: holds no wheels; fill it with `make wheelhouse`")
    return [_read(file) for file in files]


def _read(file: Path) -> Wheel:
    # PEP 427: NAME-VERSION(-BUILD)-PYTHON-ABI-PLATFORM.whl; hyphens in the name are written as underscores.
    name, version, *_ = file.name.split("-")
    return Wheel(normal_name(name), version, sha256_of_file(file), file.name)


def normal_name(name: str) -> str:
    """Return the normalised name of a distribution (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def write_requirements(folder: Path, flavour: str) -> None:
    """Write the requirements.txt of a wheelhouse. Raises UserError if its torch is not of this flavour."""
    _check_flavour(read_wheels(folder), folder, flavour)
    _write(folder)


def copy_wheels(folders: Iterable[Path], destination: Path) -> None:
    """Copy the wheels of several folders into a new folder, with one requirements.txt."""
    destination.mkdir()
    for folder in folders:
        for wheel in read_wheels(folder):
            shutil.copyfile(folder / wheel.filename, destination / wheel.filename)
    _write(destination)


def _write(folder: Path) -> None:
    lines = [f"{wheel.name}=={wheel.version} --hash=sha256:{wheel.sha256}\n" for wheel in read_wheels(folder)]
    with atomic_file(folder / "requirements.txt") as partial:
        partial.write_text("".join(lines), encoding="utf-8")


def _check_flavour(wheels: list[Wheel], folder: Path, flavour: str) -> None:
    cuda = any(wheel.name.startswith("nvidia-") for wheel in wheels)
    if flavour not in FLAVOURS:
        raise UserError(f"FLAVOUR: expected {' or '.join(FLAVOURS)}, got {flavour}")
    if cuda != (flavour == "cuda"):
        found = "torch with CUDA" if cuda else "torch without CUDA"
        raise UserError(
            f"{folder}: the package index gave {found}, but FLAVOUR is {flavour}; "
            "choose an index with the other build in pip's configuration, or the other FLAVOUR"
        )


if __name__ == "__main__":
    try:
        write_requirements(Path(sys.argv[1]), sys.argv[2])
    except UserError as error:
        sys.exit(f"bundle: error: {error}")
