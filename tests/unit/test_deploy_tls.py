"""The overlay with TLS, as the guide switches it on: both servers have certificates, and all pods trust them."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.guides import blocks_of
from tests.manifests import DEPLOY, OVERLAYS, Manifest, containers, job, named, of_kind, pods, render

SCRIPT = DEPLOY / "secrets/make_certificates.sh"
AUTHORITY = "/etc/fabgan-ca/ca.crt"


def with_tls(folder: Path, overlay: str = "example") -> Path:
    """Return a copy of an overlay, changed by the commands of the guide."""
    shutil.copytree(DEPLOY, folder / "deploy")
    shutil.copytree(DEPLOY / "overlays" / overlay, folder / "deploy/overlays/fab")
    (block,) = [block for block in blocks_of("docs/air_gap.md") if "components/tls" in block]
    subprocess.run(["bash", "-euc", block], cwd=folder, check=True)
    return folder / "deploy/overlays/fab"


def make_certificates(folder: Path, *arguments: str) -> str:
    """Run the script, without connections or a home; return what it says."""
    command = [str(SCRIPT), str(folder), *arguments]
    environment = {"PATH": "/usr/bin:/bin"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("fab") / "certificates"
    make_certificates(folder, "team-a")
    return folder


@pytest.fixture(scope="module")
def example(tmp_path_factory: pytest.TempPathFactory) -> list[Manifest]:
    return render(with_tls(tmp_path_factory.mktemp("tls")))


def container_of(manifests: list[Manifest], kind: str, name: str) -> dict[str, Any]:
    (container,) = named(manifests, kind, name)["spec"]["template"]["spec"]["containers"]
    return dict(container)


def test_both_servers_have_their_certificate_and_are_probed_by_https(example: list[Manifest]) -> None:
    server, store = container_of(example, "Deployment", "mlflow"), container_of(example, "StatefulSet", "object-store")
    assert server["command"][-1] == "--uvicorn-opts=--ssl-certfile=/etc/tls/tls.crt --ssl-keyfile=/etc/tls/tls.key"
    assert store["command"][-2:] == ["-s3.cert.file=/etc/tls/tls.crt", "-s3.key.file=/etc/tls/tls.key"]
    for container in (server, store):
        assert {"name": "tls", "mountPath": "/etc/tls", "readOnly": True} in container["volumeMounts"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert container[probe]["httpGet"]["scheme"] == "HTTPS"


def test_addresses_are_https_and_name_the_authority(example: list[Manifest]) -> None:
    found = [one for one in of_kind(example, "ConfigMap") if one["metadata"]["name"] == "fabgan-endpoints"]
    assert len(found) == 2
    for one in found:
        assert one["data"]["MLFLOW_TRACKING_URI"] == "https://mlflow.fabgan:5000"
        assert one["data"]["AWS_ENDPOINT_URL_S3"] == "https://object-store.fabgan:8333"
        assert one["data"]["AWS_CA_BUNDLE"] == one["data"]["MLFLOW_TRACKING_SERVER_CERT_PATH"] == AUTHORITY


def test_every_pod_that_reads_the_addresses_has_the_authority_where_they_name_it(example: list[Manifest]) -> None:
    """Without TLS as well, so that a fab can give them its own authority."""
    for manifests in (example, render(DEPLOY / "overlays/example"), [job("restore")]):
        clients = [
            (pod, container)
            for _, pod in pods(manifests)
            for container in containers(pod)
            if {"configMapRef": {"name": "fabgan-endpoints"}} in container.get("envFrom", [])
        ]
        assert clients
        for pod, container in clients:
            (mount,) = [one for one in container["volumeMounts"] if one["mountPath"] == str(Path(AUTHORITY).parent)]
            (volume,) = [one for one in pod["volumes"] if one["name"] == mount["name"]]
            assert volume["configMap"] == {"name": "fabgan-ca", "optional": True}


def test_secrets_are_those_that_the_servers_mount_and_their_names_those_that_clients_call(
    certificates: Path, example: list[Manifest]
) -> None:
    made = render(certificates)
    secrets = {one["metadata"]["name"]: one for one in of_kind(made, "Secret")}
    for kind, name in (("Deployment", "mlflow"), ("StatefulSet", "object-store")):
        volumes = named(example, kind, name)["spec"]["template"]["spec"]["volumes"]
        (wanted,) = [volume["secret"] for volume in volumes if volume["name"] == "tls"]
        secret = secrets[wanted["secretName"]]
        assert (secret["type"], secret["metadata"]["namespace"]) == ("kubernetes.io/tls", "fabgan")
        assert [item["key"] for item in wanted["items"]] == ["tls.crt", "tls.key"] == sorted(secret["data"])
        for host in (f"{name}.fabgan", f"{name}.fabgan.svc.cluster.local", "localhost"):
            check = ["openssl", "verify", "-x509_strict", "-CAfile", "ca.crt", "-verify_hostname", host]
            subprocess.run([*check, f"{name}/tls.crt"], cwd=certificates, check=True, capture_output=True)
    maps = [one["metadata"]["namespace"] for one in of_kind(made, "ConfigMap") if one["data"].keys() == {"ca.crt"}]
    assert sorted(maps) == ["fabgan", "team-a"]


def test_files_can_be_read_by_their_owner_alone_and_a_second_call_renews_under_the_same_authority(
    certificates: Path,
) -> None:
    assert {path.stat().st_mode & 0o077 for path in [certificates, *certificates.rglob("*")]} == {0}
    authority, before = (certificates / "ca.crt").read_text(), (certificates / "mlflow/tls.crt").read_text()
    assert "valid until" in make_certificates(certificates, "team-a")
    assert (certificates / "ca.crt").read_text() == authority
    assert (certificates / "mlflow/tls.crt").read_text() != before
    check = ["openssl", "verify", "-CAfile", "ca.crt", "mlflow/tls.crt"]
    subprocess.run(check, cwd=certificates, check=True, capture_output=True)


def test_a_call_that_was_interrupted_can_be_repeated(tmp_path: Path) -> None:
    """It was killed after it had made the key of the authority, and before the certificate."""
    (tmp_path / "authority.key").write_text("")
    (tmp_path / "authority.key.new").write_text("half a key")
    assert "valid until" in make_certificates(tmp_path)
    for service in ("mlflow", "object-store"):
        check = ["openssl", "verify", "-CAfile", "ca.crt", f"{service}/tls.crt"]
        subprocess.run(check, cwd=tmp_path, check=True, capture_output=True)
    assert not list(tmp_path.rglob("*.new"))


def test_an_ingress_talks_https_to_mlflow(tmp_path: Path) -> None:
    manifests = render(with_tls(tmp_path, "existing-services"))
    annotations = named(manifests, "Ingress", "mlflow")["metadata"]["annotations"]
    assert annotations["nginx.ingress.kubernetes.io/backend-protocol"] == "HTTPS"
    assert "--uvicorn-opts" in container_of(manifests, "Deployment", "mlflow")["command"][-1]


@pytest.mark.parametrize("overlay", OVERLAYS)
def test_without_the_component_everything_speaks_http_as_before(overlay: str) -> None:
    text = "".join(map(str, render(DEPLOY / "overlays" / overlay)))
    assert "HTTPS" not in text
    assert "-tls'" not in text.replace("'mlflow-tls'", "")
