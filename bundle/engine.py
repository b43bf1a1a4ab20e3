"""Commands of the container engine."""

import subprocess
from pathlib import Path
from typing import IO

from fabgan.components.core.errors import UserError


def docker(*arguments: str, stdin: IO[bytes] | None = None) -> str:
    """Return the output of a docker command. Raises UserError with its error output if it fails."""
    try:
        done = subprocess.run(["docker", *arguments], stdin=stdin, capture_output=True, text=True, check=False)
    except FileNotFoundError as error:
        raise UserError("docker: command not found; install the client of a container engine") from error
    if done.returncode != 0:
        raise UserError(f"docker {arguments[0]}: {done.stderr.strip()}")
    return done.stdout


def save_image(image: str, archive: Path) -> None:
    """Write an image with all of its layers to `archive`, NAME.tar.gz, which every engine can load."""
    plain = archive.with_suffix("")
    docker("save", "--output", str(plain), image)
    plain.chmod(0o644)  # docker makes it readable by its owner only
    subprocess.run(["gzip", "--no-name", "-4", plain], check=True)  # half the time of -6, for 4% more
