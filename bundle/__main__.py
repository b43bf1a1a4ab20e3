"""`python -m bundle IMAGE WHEELHOUSE WHEEL_FOLDER OUTPUT`: make the folder that is carried through the airlock."""

import shutil
import subprocess
import sys
from pathlib import Path

from bundle.engine import save_image
from bundle.sbom import write_bill
from bundle.wheels import copy_wheels, read_wheels
from fabgan.components.core.errors import UserError
from fabgan.components.core.files import atomic_folder, names_marker, sha256_of_file
from fabgan.components.core.provenance import CHECKOUT

SUMS = "SHA256SUMS"
FOLDERS = "wheelhouse", "pipelines", "deploy"
FILES = "sbom.cdx.json", "images.txt", "install.sh", "image.txt", "image.tar.gz", SUMS
BUNDLE = names_marker(SUMS, [*FILES, *(f"{name}/" for name in FOLDERS)])
"""What tells a bundle from all other folders."""


def main(image: str, wheelhouse: Path, own: Path, output: Path) -> None:
    """Fill the folder `output` with image, wheels, pipelines, manifests, lists, install.sh and checksums.

    `wheelhouse` holds the wheels of the dependencies, `own` the wheel of fabgan. Raises UserError if a command fails.
    """
    with atomic_folder(output, BUNDLE) as partial:
        copy_wheels([wheelhouse, own], partial / "wheelhouse")
        write_bill(image, read_wheels(partial / "wheelhouse"), partial / "sbom.cdx.json")
        fabgan("pipeline", "compile", "--image", image, "--output", str(partial / "pipelines"))
        (partial / "images.txt").write_text(fabgan("pipeline", "images", "--image", image), encoding="utf-8")
        copy_tracked("deploy", partial)
        shutil.copy2(CHECKOUT / "bundle" / "install.sh", partial / "install.sh")
        (partial / "image.txt").write_text(f"{image}\n", encoding="utf-8")
        save_image(image, partial / "image.tar.gz")
        write_sums(partial)


def fabgan(*arguments: str) -> str:
    """Return the output of a fabgan command. Raises UserError with its error output if it fails."""
    command = [sys.executable, "-m", "fabgan", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise UserError(f"fabgan {' '.join(arguments)}: {done.stderr.strip()}")
    return done.stdout


def copy_tracked(place: str, destination: Path) -> None:
    """Copy the files that git tracks below a folder of the project, so that generated passwords are left out."""
    command = ["git", "-C", str(CHECKOUT), "ls-files", "-z", "--", place]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    for file in listed.split("\0")[:-1]:
        (destination / file).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(CHECKOUT / file, destination / file)


def write_sums(folder: Path) -> None:
    """Write SHA256SUMS over every file below a folder, in the format of `sha256sum --check`."""
    files = sorted(file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file())
    lines = [f"{sha256_of_file(folder / file)}  {file}\n" for file in files]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8")


if __name__ == "__main__":
    try:
        main(sys.argv[1], *map(Path, sys.argv[2:5]))
    except UserError as error:
        sys.exit(f"bundle: error: {error}")
