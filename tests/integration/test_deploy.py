"""The commands of the manifests start, and the scanners, which open no connection, find nothing."""

import base64
import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fabgan.pipeline.commands.train_job import train_job
from tests.conftest import ROOT
from tests.database import database_in
from tests.guides import blocks_of
from tests.manifests import DEPLOY, Manifest, named, need, render
from tests.servers.mlflow_server import free_port, wait_for
from tests.unit.test_deploy_secrets import Secrets, make_secrets, read_secrets
from tests.unit.test_deploy_tls import with_tls

pytestmark = pytest.mark.integration
SCANNERS = ROOT / ".venv-scan"
NO_WAY_OUT = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
LOG_A_RUN = """
import mlflow
mlflow.set_experiment("bga")
with mlflow.start_run() as run:
    mlflow.log_text("seen", "note.txt")
assert mlflow.artifacts.load_text(f"runs:/{run.info.run_id}/note.txt") == "seen"
"""


DELETE_A_RUN = """
import mlflow
mlflow.set_experiment("bga")
with mlflow.start_run() as run:
    mlflow.log_text("deleted", "deleted.txt")
mlflow.delete_run(run.info.run_id)
"""


KNOWN_TO_TRAINER = """
import json, sys
from kubeflow_trainer_api.models import TrainerV1alpha1TrainJob
print(json.dumps(TrainerV1alpha1TrainJob.from_dict(json.load(sys.stdin)).to_dict()))
"""
"""Reads a TrainJob into the classes of its API and back again, which leaves out what the API does not know."""


class Server:
    """MLflow as the manifest starts it, but for the port, the folder of artifacts and the database, which is SQLite."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.secrets = folder, folder / "secrets"
        self.artifacts = folder / "artifacts"
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        made = make_secrets(self.secrets, DATABASE_URI=database_in(folder))
        assert made.returncode == 0, made.stderr
        self.values = read_secrets(self.secrets)

    def here(self, text: str) -> str:
        """Return what the manifest says with this test's port and folders."""
        for there, ours in (("5000", str(self.port)), ("/etc/mlflow", str(self.secrets))):
            text = text.replace(there, ours)
        return text.replace("proxied-s3://fabgan-mlflow", str(self.artifacts))

    def command(self, container: Manifest) -> tuple[list[str], dict[str, str]]:
        """Return a container's command and environment, as Kubernetes would make them of the manifest."""
        values = {
            item["name"]: self.here(item["value"]) if "value" in item else secret_of(item, self.values)
            for item in container["env"]
        }
        words = [self.here(word) for word in container["command"]]
        for name, value in values.items():
            words = [word.replace(f"$({name})", value) for word in words]
        return words, {"PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin"} | values

    def asked(self, path: str, **headers: str) -> int:
        """Return the status of an answer."""
        request = urllib.request.Request(self.url + path, headers=headers)
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:
                return int(answer.status)
        except urllib.error.HTTPError as error:
            return error.code


def secret_of(item: Manifest, secrets: Secrets) -> str:
    reference = item["valueFrom"]["secretKeyRef"]
    return secrets["fabgan", reference["name"]][reference["key"]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("mlflow"))
    pod = named(render(DEPLOY / "overlays/example"), "Deployment", "mlflow")["spec"]["template"]["spec"]
    for container in pod["initContainers"]:
        command, environment = server.command(container)
        subprocess.run(command, cwd=server.folder, env=environment, check=True)
    command, environment = server.command(pod["containers"][0])
    with subprocess.Popen(command, cwd=server.folder, env=environment) as process:
        try:
            wait_for(server.url, process, timeout_s=180)
            yield server
        finally:
            process.terminate()


def test_kubelet_gets_an_answer_by_the_address_of_the_pod(server: Server) -> None:
    assert server.asked("/health", Host=f"10.1.2.3:{server.port}") == 200


def test_server_answers_to_its_names_alone_and_to_nobody_without_a_password(server: Server) -> None:
    search = "/api/2.0/mlflow/experiments/search?max_results=1"
    assert server.asked(search, Host=f"mlflow.fabgan:{server.port}") == 401
    assert server.asked(search, Host="mlflow.fabgan") == 403
    assert server.asked(search, Host=f"elsewhere.example:{server.port}") == 403


def test_pipeline_logs_in_with_its_secret_and_keeps_a_file(server: Server) -> None:
    need("curl", "curl")
    subprocess.run([DEPLOY / "secrets/make_mlflow_user.sh", server.secrets, server.url], check=True)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(server.folder), "MLFLOW_TRACKING_URI": server.url}
    environment |= server.values["kubeflow-user", "fabgan-mlflow"]
    subprocess.run([sys.executable, "-c", LOG_A_RUN], cwd=server.folder, env=environment, check=True)
    assert [path.read_text() for path in server.artifacts.rglob("note.txt")] == ["seen"]


def test_deleted_runs_leave_the_server_for_good_by_the_command_of_the_guide(server: Server) -> None:
    """It runs in MLflow's container, with the container's environment."""
    need("curl", "curl")
    subprocess.run([DEPLOY / "secrets/make_mlflow_user.sh", server.secrets, server.url], check=False)
    environment = {"PATH": "/usr/bin:/bin", "HOME": str(server.folder), "MLFLOW_TRACKING_URI": server.url}
    environment |= server.values["kubeflow-user", "fabgan-mlflow"]
    subprocess.run([sys.executable, "-c", DELETE_A_RUN], cwd=server.folder, env=environment, check=True)
    pod = named(render(DEPLOY / "overlays/example"), "Deployment", "mlflow")["spec"]["template"]["spec"]
    _, inside = server.command(pod["containers"][0])
    (block,) = [block for block in blocks_of("docs/air_gap.md") if "mlflow gc" in block]
    assert "--backend-store-uri" not in block  # the list of processes would show its password
    here = server.here(block.replace("kubectl -n fabgan exec deployment/mlflow -c mlflow -- ", ""))
    for age, left in (("7d", ["deleted"]), ("0s", [])):
        command = ["bash", "-c", here.replace("7d", age)]
        subprocess.run(command, cwd=server.folder, env=inside, check=True)
        assert [path.read_text() for path in server.artifacts.rglob("deleted.txt")] == left


def passwords(folder: Path) -> dict[str, str]:
    """Return the values of the files of passwords for MLflow, by their names."""
    lines = "".join((folder / name).read_text() for name in ("mlflow.env", "basic_auth.ini")).splitlines()
    return {name.strip(): value.strip() for name, _, value in (line.partition("=") for line in lines)}


def logs_in(server: Server, name: str, password: str) -> bool:
    """Return whether MLflow lets a user in."""
    told = base64.b64encode(f"{name}:{password}".encode()).decode()
    return server.asked("/api/2.0/mlflow/experiments/search?max_results=1", Authorization=f"Basic {told}") == 200


def test_new_passwords_are_told_to_mlflow_by_the_commands_of_the_guide(server: Server, tmp_path: Path) -> None:
    need("curl", "curl")
    old, new = tmp_path / "old", tmp_path / "new"
    shutil.copytree(server.secrets, old)
    make_secrets(new, DATABASE_URI="sqlite:///unused")
    user, person = [str(DEPLOY / "secrets/make_mlflow_user.sh"), str(old), server.url], 'a "quoted\\ password'
    subprocess.run(user, check=True)
    subprocess.run([*user, "miller"], input=person, text=True, check=True)
    assert logs_in(server, "miller", person)
    (block,) = [block for block in blocks_of("docs/air_gap.md") if "ALTER ROLE" in block]
    here = block[block.index("sed -n") : block.index("kill")].replace("http://localhost:5000", server.url)
    here = here.replace("~/fabgan-secrets-new", str(new)).replace("~/fabgan-secrets", str(old))
    try:
        told = subprocess.run(["bash", "-euc", here], cwd=ROOT, capture_output=True, text=True, check=True)
        assert told.stdout.splitlines() == ["fabgan: the password was changed", "admin: the password was changed"]
        for name, key in (("fabgan", "MLFLOW_TRACKING_PASSWORD"), ("admin", "admin_password")):
            assert [logs_in(server, name, passwords(folder)[key]) for folder in (old, new)] == [False, True]
        refused = subprocess.run(user, capture_output=True, text=True, check=False)
        assert refused.returncode == 1
        assert "refuses the administrator's password of" in refused.stderr
    finally:
        back = passwords(old)["admin_password"]
        subprocess.run([user[0], str(new), server.url, "admin"], input=back, text=True, check=True)
        subprocess.run(user, check=True)


def need_scanners() -> None:
    if not (SCANNERS / "installed").exists():
        reason = "the scanners are not installed (make .venv-scan/installed)"
        (pytest.fail if os.environ.get("FABGAN_REQUIRE_ALL") == "1" else pytest.skip)(reason)


def scan(deploy: Path) -> subprocess.CompletedProcess[str]:
    """Scan without a way out: in a network namespace of its own where the machine allows one."""
    need_scanners()
    need("kubectl", "kubernetes-client")
    alone = ["unshare", "--map-root-user", "--net"]
    possible = subprocess.run([*alone, "true"], capture_output=True, check=False).returncode == 0
    command = [*(alone if possible else []), str(deploy / "scan.sh"), str(SCANNERS / "bin")]
    return subprocess.run(command, env=os.environ | NO_WAY_OUT, capture_output=True, text=True, check=False)


def test_scanners_find_nothing(tmp_path: Path) -> None:
    """In the overlays, and in one with TLS."""
    done = scan(with_tls(tmp_path).parents[1])
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Failed checks: 0" in done.stdout
    assert "Passed checks: 0" not in done.stdout


@pytest.mark.parametrize(
    ("right", "wrong"),
    [("readOnlyRootFilesystem: true", "readOnlyRootFilesystem: false"), ("serviceName:", "servicename:")],
)
def test_scanners_see_a_weak_and_a_misspelt_manifest(right: str, wrong: str, tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    path = tmp_path / "deploy/components/postgresql/postgresql.yaml"
    path.write_text(path.read_text().replace(right, wrong))
    assert scan(tmp_path / "deploy").returncode != 0


@pytest.mark.parametrize("gpus", [0, 2])
def test_kubeflow_trainer_knows_every_field_of_a_train_job(gpus: int) -> None:
    need_scanners()
    asked: dict[str, Any] = {
        "name": "bga",
        "namespace": "vision",
        "claim": "training",
        "size": "demo",
        "nodes": 2,
        "gpus": gpus,
    }
    manifest = train_job(ROOT / "params.yaml", "registry.fab/fabgan:1", **asked)
    done = subprocess.run(
        [SCANNERS / "bin/python", "-c", KNOWN_TO_TRAINER],
        input=json.dumps(manifest),
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == manifest
