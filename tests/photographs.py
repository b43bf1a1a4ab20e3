"""Photographs in a folder, and in a DVC repository whose files are in a bucket, for tests of sources."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from fabgan.components.artifacts.manifest import FrameManifest, read_manifest
from fabgan.components.core.parameters import parse
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.parameters import IngestParameters
from tests.conftest import section
from tests.servers.bucket import Bucket

IMAGES = 12


def write_photographs(folder: Path) -> Path:
    """Write three lots of four photographs, and their labels."""
    random = np.random.default_rng(1)
    for index in range(IMAGES):
        path = folder / f"lot-{index // 4}" / f"{index % 4}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (64, 80, 3), dtype=np.uint8)).save(path)
    (folder / "labels.csv").write_text("file,label\nlot-0/0.png,scratch\n")
    return folder


class Repository:
    """A DVC repository that tracks photographs, its files in a bucket."""

    def __init__(self, folder: Path, bucket: Bucket) -> None:
        self.folder, self.bucket = folder, bucket
        self.photographs = write_photographs(folder / "data" / "photographs")
        (folder / "notes").mkdir()
        (folder / "notes" / "a.png").write_text("tracked by git")
        self.run("git init -q -b main && git config user.name test && git config user.email test@localhost")
        (folder / ".dvc").mkdir()
        remote = f"[core]\n    remote = store\n['remote \"store\"']\n    url = {bucket.url('dvc')}\n"
        (folder / ".dvc" / "config").write_text(remote)
        (folder / ".dvc" / ".gitignore").write_text("/cache\n/tmp\n")

    def run(self, command: str) -> str:
        path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=os.environ | self.bucket.server.environment | {"PATH": path, "DVC_NO_ANALYTICS": "1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def commit(self, tag: str) -> str:
        """Commit and push what is in the folder; return the commit."""
        self.run(f"dvc add -q data/photographs && dvc push -q && git add -A && git commit -qm {tag} && git tag {tag}")
        return self.run("git rev-parse HEAD")

    def source(self, path: str = "data/photographs") -> str:
        return f"git+file://{self.folder}#{path}"

    @contextlib.contextmanager
    def changed(self, md5: str, change: Callable[[bytes], bytes]) -> Iterator[None]:
        """Change an object of the remote for a while."""
        key = f"dvc/files/md5/{md5[:2]}/{md5[2:]}"
        good = self.bucket.get(key)
        self.bucket.put(key, change(good))
        try:
            yield
        finally:
            self.bucket.put(key, good)


def parameters(source: str | Path, **changes: object) -> IngestParameters:
    return parse(IngestParameters, section("ingest", source=str(source), **changes), "tests")


def ingested(output: Path, source: str | Path, **changes: object) -> FrameManifest:
    ingest.run(parameters(source, **changes), output)
    return read_manifest(output, FrameManifest)
