"""Passwords: made once, complete, agreeing with each other, and never in the tree."""

import base64
import configparser
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml

from tests.conftest import ROOT
from tests.manifests import DEPLOY, OVERLAYS, Manifest, containers, pods, render

SCRIPT = DEPLOY / "secrets/make_secrets.sh"
Secrets = dict[tuple[str, str], dict[str, str]]


def make_secrets(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [str(SCRIPT), str(folder), *arguments]
    environment = {"PATH": "/usr/bin:/bin"} | environment
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def read_secrets(folder: Path) -> Secrets:
    """Return what kubectl would apply: the keys and values by namespace and name."""
    return {
        (item["metadata"]["namespace"], item["metadata"]["name"]): {
            key: base64.b64decode(value).decode() for key, value in item["data"].items()
        }
        for item in render(folder)
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("fab") / "secrets"
    assert make_secrets(path).returncode == 0
    return path


def wanted(pod: Manifest) -> Iterator[tuple[str, str | None]]:
    """Yield the Secrets that a pod reads, with the key where it reads one."""
    for container in containers(pod):
        for source in container.get("envFrom", []):
            if "secretRef" in source:
                yield source["secretRef"]["name"], None
        for item in container.get("env", []):
            if "secretKeyRef" in item.get("valueFrom", {}):
                yield item["valueFrom"]["secretKeyRef"]["name"], item["valueFrom"]["secretKeyRef"]["key"]
    for volume in pod.get("volumes", []):
        if "secret" in volume:
            yield from ((volume["secret"]["secretName"], item["key"]) for item in volume["secret"]["items"])


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_every_secret_that_a_pod_reads_is_made(overlay: str, folder: Path) -> None:
    secrets = read_secrets(folder)
    read = [pair for _, pod in pods(render(DEPLOY / "overlays" / overlay)) for pair in wanted(pod)]
    assert ("fabgan-mlflow-server", "basic_auth.ini") in read
    for name, key in read:
        assert ("fabgan", name) in secrets
        assert key is None or secrets["fabgan", name][key]


def test_runs_get_the_names_that_the_pipeline_asks_for(tmp_path: Path) -> None:
    make_secrets(tmp_path / "secrets", "team-a")
    secrets = read_secrets(tmp_path / "secrets")
    assert secrets["team-a", "fabgan-s3"] == secrets["fabgan", "fabgan-s3"]
    assert secrets["team-a", "fabgan-s3"].keys() == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}
    assert secrets["team-a", "fabgan-mlflow"].keys() == {"MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"}


def test_mlflow_and_its_users_file_log_in_with_the_password_of_the_database(folder: Path) -> None:
    secrets = read_secrets(folder)
    server, database = secrets["fabgan", "fabgan-mlflow-server"], secrets["fabgan", "fabgan-postgresql"]
    address = urlsplit(server["MLFLOW_BACKEND_STORE_URI"])
    assert (address.username, address.password) == (database["POSTGRES_USER"], database["POSTGRES_PASSWORD"])
    assert address.path == f"/{database['POSTGRES_DB']}"
    assert users_file(server)["database_uri"] == server["MLFLOW_BACKEND_STORE_URI"]


def users_file(server: dict[str, str]) -> configparser.SectionProxy:
    parser = configparser.ConfigParser()
    parser.read_string(server["basic_auth.ini"])
    return parser["mlflow"]


def test_services_of_the_fab_are_taken_as_they_are_named(tmp_path: Path) -> None:
    uri = "postgresql+psycopg2://mlflow:a%40b@db.fab.example:5432/mlflow"
    make_secrets(tmp_path / "secrets", DATABASE_URI=uri, AWS_ACCESS_KEY_ID="key", AWS_SECRET_ACCESS_KEY="a/b+c=")
    secrets = read_secrets(tmp_path / "secrets")
    server = secrets["fabgan", "fabgan-mlflow-server"]
    assert server["MLFLOW_BACKEND_STORE_URI"] == users_file(server)["database_uri"] == uri
    assert secrets["fabgan", "fabgan-s3"] == {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "a/b+c="}


def test_passwords_are_made_once_and_never_twice_the_same(folder: Path, tmp_path: Path) -> None:
    before = read_secrets(folder)
    again = make_secrets(folder)
    assert again.returncode == 1
    assert "passwords are made once" in again.stderr
    assert read_secrets(folder) == before
    make_secrets(tmp_path / "other")
    assert read_secrets(tmp_path / "other")["fabgan", "fabgan-postgresql"] != before["fabgan", "fabgan-postgresql"]


def test_files_of_passwords_can_be_read_by_their_owner_alone(folder: Path) -> None:
    assert {path.stat().st_mode & 0o077 for path in [folder, *folder.iterdir()]} == {0}


def test_tree_holds_no_secret() -> None:
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "deploy"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    assert "deploy/base/mlflow.yaml" in listed
    for path in map(ROOT.joinpath, listed):
        if path.suffix == ".yaml":
            documents = [document for document in yaml.safe_load_all(path.read_text()) if isinstance(document, dict)]
            assert all(document.get("kind") != "Secret" for document in documents), path
        if path.suffix == ".env":
            names = [line.partition("=")[0] for line in path.read_text().splitlines()]
            assert not [name for name in names if any(word in name for word in ("KEY", "PASSWORD", "SECRET"))], path
