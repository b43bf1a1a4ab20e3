"""Print the installed Debian packages as JSON; `python3 -` runs this program inside the image.

dpkg keeps no digest of the archive of a package. The digest here is over the installed files instead: the SHA-256 of
their lines `SHA256  PATH`, in the order of dpkg's list.
"""

import hashlib
import json
import sys
from pathlib import Path

DPKG = Path("/var/lib/dpkg")


def packages(status: str) -> list[dict[str, str]]:
    """Return name, version, architecture and digest of every package with the status "installed" in dpkg's file."""
    found = []
    for paragraph in status.strip().split("\n\n"):
        fields = dict(line.split(": ", 1) for line in paragraph.splitlines() if ": " in line and line[0] != " ")
        if fields["Status"] == "install ok installed":
            name, architecture = fields["Package"], fields["Architecture"]
            about = {"name": name, "version": fields["Version"], "architecture": architecture}
            found.append(about | {"sha256": digest(file_list(name, architecture))})
    return found


def file_list(name: str, architecture: str) -> list[str]:
    """Return the paths that dpkg lists for a package."""
    plain = DPKG / "info" / f"{name}.list"
    path = plain if plain.exists() else DPKG / "info" / f"{name}:{architecture}.list"
    return path.read_text().splitlines()


def digest(paths: list[str]) -> str:
    """Return the SHA-256 over the checksums of the regular files among `paths`."""
    files = [Path(path) for path in paths]
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file}\n" for file in files if file.is_file()]
    return hashlib.sha256("".join(lines).encode()).hexdigest()


if __name__ == "__main__":
    json.dump(packages((DPKG / "status").read_text()), sys.stdout)
