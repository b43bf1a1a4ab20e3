"""The wheelhouse: every wheel that runs fabgan, and a requirements.txt that pins each by its digest.

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
    """One wheel: the name and version that its file's name tells, and the digest of its bytes."""

    name: str
    version: str
    sha256: str
    filename: str


def read_wheels(folder: Path) -> list[Wheel]:
    """Return the wheels of a folder in the order of their names; UserError where there are none."""
    files = sorted(folder.glob("*.whl"), key=lambda file: file.name.lower())
    if not files:
        raise UserError(f"{folder}: holds no wheels; `make wheelhouse` fills it")
    return [_read(file) for file in files]


def _read(file: Path) -> Wheel:
    # PEP 427: NAME-VERSION(-BUILD)-PYTHON-ABI-PLATFORM.whl, with hyphens of the name as underscores.
    name, version, *_ = file.name.split("-")
    return Wheel(normal_name(name), version, sha256_of_file(file), file.name)


def normal_name(name: str) -> str:
    """Return the one spelling of a distribution's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def write_requirements(folder: Path, flavour: str) -> None:
    """Write the requirements.txt of a wheelhouse, after checking that it holds the flavour it is meant to hold."""
    _check_flavour(read_wheels(folder), folder, flavour)
    _write(folder)


def copy_wheels(folders: Iterable[Path], destination: Path) -> None:
    """Gather the wheels of several folders in a new one, with one requirements.txt."""
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
        raise UserError(f"{flavour}: no flavour; known: {', '.join(FLAVOURS)}")
    if cuda != (flavour == "cuda"):
        found = "torch with CUDA" if cuda else "torch without CUDA"
        raise UserError(
            f"{folder}: the package index gave {found}, and the flavour is {flavour}; "
            "let pip's settings name an index that has the other build, or give the other FLAVOUR"
        )


if __name__ == "__main__":
    try:
        write_requirements(Path(sys.argv[1]), sys.argv[2])
    except UserError as error:
        sys.exit(f"bundle: error: {error}")
