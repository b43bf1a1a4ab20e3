"""Which code is running: the git commit for tags and runs, and a digest of sources for work that may be resumed."""

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

CODE = Path(__file__).resolve().parent.parent


def git_commit() -> str:
    """Return the commit of this code, with `+changes` where its files differ from it.

    Outside git it is what FABGAN_GIT_COMMIT says, as the container image sets it, or `unknown`.
    """
    commit = _git("rev-parse", "HEAD")
    if not commit:
        return os.environ.get("FABGAN_GIT_COMMIT") or "unknown"
    changes = _git("status", "--porcelain", "--", "model", "components", "fabgan", "pipeline")
    return f"{commit}+changes" if changes else commit


def _git(*arguments: str) -> str:
    git = shutil.which("git")
    if git is None:
        return ""
    done = subprocess.run([git, "-C", str(CODE), *arguments], capture_output=True, text=True, check=False)  # noqa: S603
    return done.stdout.strip()


def code_digest(*places: str) -> str:
    """Return the SHA-256 of source files, named relative to the project, folders standing for what is in them.

    Work that was begun by other code is not gone on with: half of it would come from each.
    """
    files = [file for place in places for file in _sources(CODE / place)]
    return hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files)).hexdigest()


def _sources(place: Path) -> list[Path]:
    return sorted(place.rglob("*.py")) if place.is_dir() else [place]
