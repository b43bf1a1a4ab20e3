"""Backups as the manifests make and restore them, on a real PostgreSQL and a real object store."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from boto3.s3.transfer import TransferConfig

from fabgan.components.core.files import read_json
from fabgan.components.services.backup import restore, save
from tests.guides import blocks_of
from tests.manifests import DEPLOY, Manifest, job, pods, render
from tests.servers.bucket import Bucket
from tests.servers.postgresql import PostgreSQL, running_postgresql
from tests.servers.s3 import S3Server

pytestmark = pytest.mark.integration
DAY = f"{datetime.now(UTC):%Y-%m-%d}"
LARGE = bytes(range(256)) * 50_000
"""Uploaded in parts."""
PATHS = {"PYTHONPATH": os.environ.get("PYTHONPATH", "")}


@pytest.fixture(scope="module")
def database() -> Iterator[PostgreSQL]:
    with running_postgresql() as server:
        yield server


class Site:
    """The services of an installation, and the folders that its pods mount."""

    def __init__(self, folder: Path, s3: S3Server, database: PostgreSQL) -> None:
        self.s3, self.database = s3, database
        self.folders = {name: folder / name for name in ("backups", "dump")}
        self.buckets = {name: Bucket(s3) for name in ("fabgan-data", "fabgan-mlflow")}
        for place in self.folders.values():
            place.mkdir()

    def here(self, word: str) -> str:
        """Return a word of a command with the names of this test."""
        for name, place in self.folders.items():
            word = word.replace(f"/{name}", str(place))
        for name, bucket in self.buckets.items():
            word = word.replace(name, bucket.name)
        return word.replace("/DAY", f"/{DAY}")

    def run(self, container: Manifest) -> subprocess.CompletedProcess[str]:
        """Run a container's command here, with what its environment names."""
        command = [self.here(word) for word in container["command"]]
        if command[0] == "fabgan":
            command[:1] = [sys.executable, "-m", "fabgan"]
        values = self.database.environment | {"PGDATABASE": self.database.database} | self.s3.environment
        told = {item["name"] for item in container.get("env", [])} | {"PATH", "PGPORT"}
        if "envFrom" in container:
            told |= self.s3.environment.keys()
        environment = {name: value for name, value in values.items() if name in told}
        return subprocess.run(command, env=environment | PATHS, capture_output=True, text=True, check=False)

    def run_pod(self, pod: Manifest) -> str:
        """Run the containers of a pod in their order; return the last output, or the message of the one that failed."""
        said = ""
        for container in [*pod["initContainers"], *pod["containers"]]:
            done = self.run(container)
            assert "Traceback" not in done.stderr
            if done.returncode:
                return done.stderr.splitlines()[-1]
            said = done.stdout
        return said

    def backup(self) -> str:
        """Run the job of the component."""
        return self.run_pod(dict(pods(render(DEPLOY / "overlays/example")))["backup"])

    def restore(self) -> str:
        """Run the job that restores."""
        ((_, pod),) = pods([job("restore")])
        return self.run_pod(pod)

    @property
    def saved(self) -> list[str]:
        return sorted(path.name for path in self.folders["backups"].iterdir())


@pytest.fixture
def site(tmp_path: Path, s3: S3Server, database: PostgreSQL) -> Site:
    site = Site(tmp_path, s3, database)
    database.query("DROP TABLE IF EXISTS runs, later; CREATE TABLE runs (name text); INSERT INTO runs VALUES ('first')")
    data = site.buckets["fabgan-data"]
    for key, content in (("lots/a.png", b"a"), ("lots", b"an object whose key is a folder's"), ("../b", b"a")):
        data.client.put_object(Bucket=data.name, Key=key, Body=content, Metadata={"sha256": "of the content"})
    site.buckets["fabgan-mlflow"].client.put_object(Bucket=site.buckets["fabgan-mlflow"].name, Key="w", Body=LARGE)
    return site


def content(bucket: Bucket) -> dict[str, bytes]:
    return {key: bucket.get(key) for key in bucket.objects()}


def test_what_is_lost_after_a_backup_comes_back(site: Site) -> None:
    before = {name: content(bucket) for name, bucket in site.buckets.items()}
    assert "4 objects, 4 of them fetched (12.8 MB)" in site.backup()
    assert site.saved == [DAY]
    site.database.query("DROP TABLE runs; CREATE TABLE later (name text)")
    data = site.buckets["fabgan-data"]
    data.remove("../b")
    data.put("lots/a.png", b"damaged")
    data.put("later.png", b"stays")
    site.buckets["fabgan-mlflow"].remove("w")
    assert site.restore() == ""
    assert site.database.query("SELECT * FROM runs") == "first"
    assert site.database.query("SELECT to_regclass('later') IS NULL") == "t"
    assert content(data) == before["fabgan-data"] | {"later.png": b"stays"}
    assert content(site.buckets["fabgan-mlflow"]) == before["fabgan-mlflow"]
    assert data.client.head_object(Bucket=data.name, Key="../b")["Metadata"] == {"sha256": "of the content"}


def test_unchanged_objects_are_stored_once_and_the_last_backups_are_kept(site: Site) -> None:
    backups = site.folders["backups"]
    site.backup()
    for day in range(1, 9):
        shutil.copytree(backups / DAY, backups / f"2026-01-0{day}", copy_function=os.link)
    shutil.rmtree(backups / DAY)
    (backups / ".2026-01-09.partial").mkdir()
    (backups / "notes").mkdir()
    site.buckets["fabgan-data"].put("new.png", b"new")
    assert "5 objects, 1 of them fetched (3 B)" in site.backup()
    assert site.saved == [*(f"2026-01-0{day}" for day in range(3, 9)), DAY, "notes"]
    large = [path for path in (backups / DAY / "objects").rglob("*") if path.stat().st_size == len(LARGE)]
    assert [path.stat().st_nlink for path in large] == [7]


@pytest.mark.parametrize("broken", ["database", "store"])
def test_a_backup_that_fails_leaves_the_earlier_one_and_is_continued(site: Site, broken: str) -> None:
    backups = site.folders["backups"]
    site.backup()
    (backups / DAY).rename(backups / "2026-01-01")
    if broken == "database":
        site.database = PostgreSQL(site.database.port, password="another one")
    else:
        site.buckets["fabgan-mlflow"].name = "there-is-none"
    said = site.backup()
    assert ("password authentication failed" if broken == "database" else "there is no such bucket") in said
    assert [name for name in site.saved if name != f".{DAY}.partial"] == ["2026-01-01"]


def test_objects_that_were_uploaded_otherwise_are_restored_once_and_not_fetched_again(
    tmp_path: Path, bucket: Bucket
) -> None:
    """The ETag tells in which parts an object was uploaded, and `restore` has parts of its own."""
    file, config = tmp_path / "large", TransferConfig(multipart_chunksize=5 << 20)
    file.write_bytes(LARGE)
    bucket.client.upload_file(str(file), bucket.name, "parts", Config=config)
    for key, content in (("whole", LARGE), ("small", b"a")):
        bucket.put(key, content)
    saved = save(tmp_path / "backups", [bucket.name], [], keep=1).folder
    for key in bucket.objects():
        bucket.remove(key)
    assert [restore(saved, [bucket.name]) for _ in range(2)] == [3, 0]
    for _ in range(2):
        again = save(tmp_path / "backups", [bucket.name], [], keep=1)
        assert (again.objects, again.fetched) == (3, 0)
    bucket.put("whole", LARGE[::-1])
    assert restore(saved, [bucket.name]) == 1
    assert bucket.get("whole") == LARGE


def test_a_damaged_backup_restores_what_is_whole_and_leaves_the_database_alone(site: Site) -> None:
    site.backup()
    folder = site.folders["backups"] / DAY
    (saved,) = read_json(folder / "backup.json")["buckets"][site.buckets["fabgan-mlflow"].name]
    (folder / "objects" / saved["sha256"][:2] / saved["sha256"]).write_bytes(LARGE[1:])
    site.buckets["fabgan-mlflow"].remove("w")
    site.buckets["fabgan-data"].remove("lots/a.png")
    site.database.query("INSERT INTO runs VALUES ('second')")
    assert f"1 damaged or missing, such as s3://{site.buckets['fabgan-mlflow'].name}/w" in site.restore()
    assert site.buckets["fabgan-data"].get("lots/a.png") == b"a"
    assert site.database.query("SELECT count(*) FROM runs") == "2"


def test_a_file_that_was_damaged_in_the_last_backup_is_fetched_again(site: Site) -> None:
    backups = site.folders["backups"]
    site.backup()
    (backups / DAY).rename(backups / "2026-01-01")
    (saved,) = read_json(backups / "2026-01-01" / "backup.json")["buckets"][site.buckets["fabgan-mlflow"].name]
    (backups / "2026-01-01" / "objects" / saved["sha256"][:2] / saved["sha256"]).write_bytes(LARGE[1:])
    assert ", 1 of them fetched" in site.backup()
    site.buckets["fabgan-mlflow"].remove("w")
    site.restore()
    assert site.buckets["fabgan-mlflow"].get("w") == LARGE


def test_the_guides_commands_on_a_workstation_save_and_restore_the_same(site: Site, tmp_path: Path) -> None:
    data = site.buckets["fabgan-data"]
    data.put("lot 1/ü.png", b"umlaut")
    before = content(data)
    run_guide(site, tmp_path, "pg_dump ", "--list", "fabgan backup")
    site.database.query("INSERT INTO runs VALUES ('second')")
    for key in before:
        data.remove(key)
    run_guide(site, tmp_path, "fabgan restore", "pg_restore --username=mlflow --clean")
    assert content(data) == before
    assert site.database.query("SELECT * FROM runs") == "first"


def run_guide(site: Site, folder: Path, *parts: str) -> None:
    """Run those commands of the guide that contain the parts, without kubectl."""
    text = "".join(blocks_of("docs/air_gap.md")).replace("\\\n", "").replace("2026-11-28", DAY)
    text = re.sub(r"kubectl -n fabgan exec (--stdin )?postgresql-0 -- ", "", text)
    environment = site.database.environment | site.s3.environment | PATHS
    for part in parts:
        (line,) = [line for line in text.splitlines() if part in line]
        command = line.replace("~/fabgan/bin/fabgan", f"{sys.executable} -m fabgan")
        for name, bucket in site.buckets.items():
            command = command.replace(name, bucket.name)
        subprocess.run(["bash", "-euc", command], cwd=folder, env=environment, check=True)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["backup", "backups", "--bucket=a", "--keep=0"], "fabgan backup: --keep: expected a positive int"),
        (["backup", "backups", "--bucket=a", "--file=nowhere.dump"], "nowhere.dump: no such file"),
        (["restore", "backups", "--bucket=a"], "backups/backup.json: cannot be read: No such file or directory"),
    ],
)
def test_what_cannot_be_done_is_one_line(arguments: list[str], words: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "fabgan", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert words in done.stderr
    assert list(tmp_path.iterdir()) == []
