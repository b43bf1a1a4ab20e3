"""Photographs out of a real object store and out of DVC repositories whose remote it is."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from components import ingest
from components.errors import UserError
from components.files import read_json, sha256_of_file
from components.ingest import IngestParameters
from components.manifest import FrameManifest, read_manifest
from components.parameters import parse
from components.sources import list_source, resolve
from tests.conftest import ROOT, section
from tests.servers.bucket import Bucket
from tests.servers.s3 import S3Server

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # clones that DVC leaves open
]
IMAGES = 12
MORE = 60


def write_photographs(folder: Path) -> Path:
    """Write three lots of four photographs, and their labels."""
    random = np.random.default_rng(1)
    for index in range(IMAGES):
        path = folder / f"lot-{index // 4}" / f"{index % 4}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (64, 80, 3), dtype=np.uint8)).save(path)
    (folder / "labels.csv").write_text("file,label\nlot-0/0.png,scratch\n")
    return folder


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    """A folder of photographs, to be changed at will."""
    return write_photographs(tmp_path / "photographs")


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


@pytest.fixture(scope="module")
def moved(tmp_path_factory: pytest.TempPathFactory, s3: S3Server) -> Repository:
    """A repository with the photographs at v1, whose branch has moved to v2: one is gone, one a copy of another."""
    repository = Repository(tmp_path_factory.mktemp("moved") / "repository", Bucket(s3))
    repository.commit("v1")
    shutil.copy(repository.photographs / "lot-0" / "0.png", repository.photographs / "lot-1" / "0.png")
    (repository.photographs / "lot-2" / "3.png").unlink()
    repository.commit("v2")
    return repository


@pytest.fixture
def repository(moved: Repository, bucket: Bucket) -> Repository:
    """The repository, and the variables by which its remote is found."""
    return moved


def parameters(source: str | Path, **changes: object) -> IngestParameters:
    return parse(IngestParameters, section("ingest", source=str(source), **changes), "tests")


def ingested(output: Path, source: str | Path, **changes: object) -> FrameManifest:
    ingest.run(parameters(source, **changes), output)
    return read_manifest(output, FrameManifest)


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
    monkeypatch.setattr("components.storage.PAGE_SIZE", 7)
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
    with pytest.raises(UserError, match=f"changed since ingest.revision '{pinned}' was taken"):
        ingest.run(parameters(bucket.url("lots"), revision=pinned), tmp_path / "frames")


@pytest.mark.parametrize(
    ("prefix", "message"), [("nothing", "there is nothing below this prefix"), ("notes", "none of its 1 files is one")]
)
def test_a_prefix_without_photographs_is_refused(tmp_path: Path, bucket: Bucket, prefix: str, message: str) -> None:
    bucket.put("notes/readme.txt", b"words")
    with pytest.raises(UserError, match=message):
        ingest.run(parameters(bucket.url(prefix)), tmp_path / "frames")


RUN_INGEST = """
import sys
from pathlib import Path
from components import ingest
from components.parameters import load_yaml, parse
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


def test_a_tag_gives_its_photographs_after_the_branch_has_moved(tmp_path: Path, repository: Repository) -> None:
    first, second = repository.run("git rev-parse v1"), repository.run("git rev-parse v2")
    source = repository.source()
    assert [resolve(source, revision) for revision in ("v1", first[:10])] == [first, first]
    assert [resolve(source, revision) for revision in ("", "main")] == [second, second]
    old, new = (ingested(tmp_path / revision, source, revision=revision) for revision in (first, "main"))
    assert (old.revision, new.revision) == (first, second)
    assert {frame.source for frame in old.images} - {frame.source for frame in new.images} == {
        "lot-1/0.png",
        "lot-2/3.png",
    }
    assert [copy.reason for copy in new.quarantined] == ["the same bytes as lot-0/0.png"]


def test_a_folder_within_a_tracked_folder_can_be_taken(repository: Repository) -> None:
    listing = list_source(repository.source("data/photographs/lot-1"), "v1")
    assert [file.path for file in listing.files] == ["0.png", "1.png", "2.png", "3.png"]


def test_a_damaged_object_in_the_remote_is_refused(tmp_path: Path, repository: Repository) -> None:
    listing = list_source(repository.source(), "v1")
    md5 = next(file.version for file in listing.files if file.path == "lot-1/2.png")
    refused = pytest.raises(UserError, match=r"lot-1/2.png: the remote's bytes are not those of commit .*MD5 differs")
    with repository.changed(md5, lambda good: good[:-1] + b"?"), refused:
        ingest.run(parameters(repository.source(), revision="v1"), tmp_path / "frames")


def test_a_photograph_that_was_never_pushed_is_named(tmp_path: Path, repository: Repository) -> None:
    listing = list_source(repository.source(), "v1")
    photograph = next(file for file in listing.files if file.path == "lot-1/2.png")
    key = f"dvc/files/md5/{photograph.version[:2]}/{photograph.version[2:]}"
    with repository.changed(photograph.version, bytes):
        repository.bucket.remove(key)
        with pytest.raises(UserError, match=r"lot-1/2.png: cannot be read from the repository's DVC remote"):
            photograph.fetch(tmp_path / "copy")


def test_another_listing_in_the_place_of_the_commits_is_refused(repository: Repository) -> None:
    tracked = yaml.safe_load(repository.run("git show v1:data/photographs.dvc"))["outs"][0]["md5"]
    refused = pytest.raises(UserError, match=r"the remote's listing is not the commit's")
    with repository.changed(tracked, lambda good: good.replace(b"lot-0/0.png", b"lot-9/0.png")), refused:
        resolve(repository.source(), "v1")


@pytest.mark.parametrize(
    ("path", "revision", "message"),
    [
        ("data/photographs", "v9", r"ingest.revision: 'v9' is no tag, branch or commit there"),
        ("data/nothing", "v1", r"data/nothing: DVC tracks no such folder there"),
        ("notes", "v1", r"notes: DVC tracks no such folder there"),
        ("data/photographs/labels.csv", "v1", r"labels.csv: a file; expected a folder"),
    ],
)
def test_what_a_repository_does_not_have_is_named(
    repository: Repository, path: str, revision: str, message: str
) -> None:
    with pytest.raises(UserError, match=message) as raised:
        resolve(repository.source(path), revision)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "Forbidden"),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9", "127.0.0.1:9"),
    ],
)
def test_an_unreadable_remote_is_one_line(
    repository: Repository, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, message: str
) -> None:
    monkeypatch.setenv(variable, value)
    with pytest.raises(UserError, match=f"cannot be read from the repository's DVC remote: .*{message}") as raised:
        resolve(repository.source(), "v1")
    assert "\n" not in str(raised.value)


def test_a_remote_without_an_address_is_not_looked_for_on_the_internet(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    with pytest.raises(UserError, match=r"remote 'store' names no store; set AWS_ENDPOINT_URL_S3"):
        resolve(repository.source(), "v1")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("git+file:///srv/nothing.git#data", "file:///srv/nothing.git: cannot be opened as a DVC repository"),
        ("git+http://127.0.0.1:9/fab.git#data", "http://127.0.0.1:9/fab.git: cannot be opened as a DVC repository"),
        ("git+file:///srv/fab.git", r"expected git\+URL#path"),
        ("git+/srv/fab.git#data", r"expected git\+URL#path"),
        ("git+https://me:secret@git.fab.local/fab.git#data", "a password in the URL"),
    ],
)
def test_repositories_that_cannot_be_opened_are_one_line(source: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as raised:
        resolve(source, "")
    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)
