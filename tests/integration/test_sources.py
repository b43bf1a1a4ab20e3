"""Where photographs come from: a folder, a bucket or a DVC repository, and what a changing bucket does to ingest."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from fabgan.components.artifacts.manifest import FrameManifest, read_manifest
from fabgan.components.core.errors import UserError
from fabgan.components.core.files import read_json, sha256_of_file
from fabgan.components.ingest import step as ingest
from fabgan.components.ingest.sources import list_source, resolve
from tests.conftest import ROOT, section
from tests.photographs import IMAGES, Repository, ingested, parameters
from tests.servers.bucket import Bucket

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # clones that DVC leaves open
]
MORE = 60


def test_the_same_photographs_give_the_same_frames_from_everywhere(
    tmp_path: Path, photographs: Path, bucket: Bucket, repository: Repository
) -> None:
    bucket.put_folder(photographs, "lots")
    wanted = {"folder": (str(photographs), ""), "bucket": (bucket.url("lots"), ""), "dvc": (repository.source(), "v1")}
    found = {
        name: ingested(tmp_path / name, source, revision=revision, labels_file="labels.csv")
        for name, (source, revision) in wanted.items()
    }
    assert found["folder"].images == found["bucket"].images == found["dvc"].images
    assert len(found["folder"].images) == IMAGES
    assert {frame.label for frame in found["folder"].images} == {"scratch", None}
    for name, manifest in found.items():
        assert manifest.source == wanted[name][0]
        for frame in manifest.images:
            assert sha256_of_file(tmp_path / name / frame.file) == frame.sha256
    assert found["folder"].revision == ""
    assert found["bucket"].revision == resolve(bucket.url("lots"), "")
    assert found["dvc"].revision == repository.run("git rev-parse v1")


def test_more_objects_than_a_page_holds_are_all_found(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fabgan.components.services.storage.PAGE_SIZE", 7)
    for index in range(40):
        bucket.put(f"lots/{index:02d}.png", b"x")
    assert [file.path for file in list_source(bucket.url("lots"), "").files] == [f"{i:02d}.png" for i in range(40)]


def test_a_bucket_that_changed_since_it_was_pinned_is_refused(
    tmp_path: Path, photographs: Path, bucket: Bucket
) -> None:
    bucket.put_folder(photographs, "lots")
    pinned = resolve(bucket.url("lots"), "")
    assert ingested(tmp_path / "frames", bucket.url("lots"), revision=pinned).revision == pinned
    bucket.put("lots/lot-0/1.png", (photographs / "lot-0" / "0.png").read_bytes())
    assert resolve(bucket.url("lots"), "") != pinned
    with pytest.raises(UserError, match=f"but ingest.revision is '{pinned}'"):
        ingest.run(parameters(bucket.url("lots"), revision=pinned), tmp_path / "frames")


@pytest.mark.parametrize(
    ("prefix", "message"),
    [("nothing", "no objects below this prefix"), ("notes", "no photograph: 1 ")],
)
def test_a_prefix_without_photographs_is_refused(tmp_path: Path, bucket: Bucket, prefix: str, message: str) -> None:
    bucket.put("notes/readme.txt", b"words")
    with pytest.raises(UserError, match=message):
        ingest.run(parameters(bucket.url(prefix)), tmp_path / "frames")


def test_objects_are_compared_with_the_checksums_in_their_bucket(
    tmp_path: Path, photographs: Path, bucket: Bucket
) -> None:
    bucket.put_folder(photographs, "lots")
    digests = {path.name: sha256_of_file(path) for path in (photographs / "lot-1").iterdir()}
    bucket.put("lots/lot-1/SHA256SUMS", "".join(f"{one}  {name}\n" for name, one in digests.items()).encode())
    bucket.put("lots/lot-1/2.png", (photographs / "lot-1" / "2.png").read_bytes() + b"x")
    manifest = ingested(tmp_path / "frames", bucket.url("lots"), labels_file="labels.csv", max_quarantined_share=0.5)
    assert [item.source for item in manifest.quarantined] == ["lot-1/2.png"]
    assert "of lot-1/SHA256SUMS says" in manifest.quarantined[0].reason
    assert len(manifest.images) == IMAGES - 1


RUN_INGEST = """
import sys
from pathlib import Path
from fabgan.components.ingest import step as ingest
from fabgan.components.core.parameters import load_yaml, parse
ingest.run(parse(ingest.IngestParameters, load_yaml(Path("ingest.yaml")), "tests"), Path("frames"))
"""


def kill_when_begun(command: list[str], folder: Path) -> None:
    """Run a command and kill it when ingest has finished some photographs."""
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    with subprocess.Popen(command, cwd=folder, start_new_session=True, env=environment) as run:
        deadline_s = time.monotonic() + 120
        while len(list(folder.glob(".frames.partial/.records/*-*.json"))) < 5:
            assert run.poll() is None, "it ended before it was killed"
            assert time.monotonic() < deadline_s
            time.sleep(0.01)
        os.killpg(run.pid, signal.SIGKILL)


def test_killed_ingest_fetches_only_what_it_had_not(tmp_path: Path, photographs: Path, bucket: Bucket) -> None:
    random = np.random.default_rng(2)
    for index in range(MORE):
        noise = random.integers(0, 256, (200, 200, 3), dtype=np.uint8)
        Image.fromarray(noise).save(photographs / "lot-0" / f"x{index}.png")
    bucket.put_folder(photographs, "lots")
    (tmp_path / "ingest.yaml").write_text(yaml.safe_dump(section("ingest", source=bucket.url("lots"))))
    command = [sys.executable, "-c", RUN_INGEST]
    kill_when_begun(command, tmp_path)
    partial = tmp_path / ".frames.partial"
    finished = {read_json(path)["file"] for path in (partial / ".records").glob("*-*.json")}
    before = {file: (partial / file).stat().st_mtime_ns for file in finished}
    assert 5 <= len(finished) < IMAGES + MORE
    subprocess.run(command, cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(ROOT)}, check=True)
    assert len(read_manifest(tmp_path / "frames", FrameManifest).images) == IMAGES + MORE
    assert {file: (tmp_path / "frames" / file).stat().st_mtime_ns for file in finished} == before
    assert len(list((tmp_path / "frames" / "frames").iterdir())) == IMAGES + MORE


def test_an_object_replaced_while_ingest_runs_fails_the_step(
    tmp_path: Path, photographs: Path, bucket: Bucket, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put_folder(photographs, "lots")

    def list_and_replace(source: str, revision: str) -> object:
        listing = list_source(source, revision)
        bucket.put("lots/lot-2/3.png", b"replaced")
        return listing

    monkeypatch.setattr(ingest, "list_source", list_and_replace)
    with pytest.raises(UserError, match=r"lots/lot-2/3.png: changed since the bucket was listed"):
        ingest.run(parameters(bucket.url("lots")), tmp_path / "frames")
    assert not (tmp_path / "frames").exists()
