"""A real MLflow server and a real object store that serve TLS: a client needs the authority, or is told so."""

from collections.abc import Iterator
from pathlib import Path

import mlflow
import pytest

from fabgan.components.core.errors import UserError
from fabgan.components.services import storage
from fabgan.components.services.tracking.registry import Registry
from tests.cluster.__main__ import options_of, site_of
from tests.fab_cluster import a_kubectl
from tests.manifests import named, render
from tests.photographs import IMAGES, Repository, ingested
from tests.servers.bucket import Bucket
from tests.servers.kubeflow import KubeflowServer, State
from tests.servers.mlflow_server import running_mlflow
from tests.servers.s3 import S3Server, running_s3
from tests.unit.test_deploy_tls import make_certificates, with_tls

pytestmark = [
    pytest.mark.integration,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # clones that DVC leaves open
]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder that an administrator makes. This process trusts it, to see when a server has started."""
    folder = tmp_path_factory.mktemp("fab") / "certificates"
    make_certificates(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(folder / "ca.crt"))
        yield folder


@pytest.fixture(scope="module")
def store(certificates: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[S3Server]:
    with running_s3(tmp_path_factory.mktemp("s3"), certificates / "object-store") as server:
        yield server


@pytest.fixture
def bucket(store: S3Server, certificates: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """An empty bucket, and a process that trusts its store."""
    for name, value in (store.environment | {"AWS_CA_BUNDLE": str(certificates / "ca.crt")}).items():
        monkeypatch.setenv(name, value)
    return Bucket(store)


def test_a_process_with_the_authority_reads_the_store_and_another_is_told_to_set_it(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket.put("lots/a.png", b"pixels")
    (found,) = storage.list_objects(bucket.name, "lots/")
    storage.download(found, tmp_path / "a.png")
    assert (tmp_path / "a.png").read_bytes() == b"pixels"
    missing = str(tmp_path / "missing.crt")
    for setting, why in ((None, "is not trusted; set AWS_CA_BUNDLE"), (missing, "AWS_CA_BUNDLE: there is no file")):
        storage._client_of.cache_clear()
        monkeypatch.delenv("AWS_CA_BUNDLE") if setting is None else monkeypatch.setenv("AWS_CA_BUNDLE", setting)
        with pytest.raises(UserError, match=rf"https://localhost:.*: .*{why}"):
            storage.list_objects(bucket.name, "lots/")


def test_photographs_of_a_repository_come_from_a_remote_with_tls(bucket: Bucket, tmp_path: Path) -> None:
    repository = Repository(tmp_path / "repository", bucket)
    repository.commit("v1")
    assert len(ingested(tmp_path / "frames", repository.source(), revision="v1").images) == IMAGES


def options_of_the_manifest(certificates: Path, folder: Path) -> list[str]:
    """Return what deploy/components/tls adds to the command of MLflow, with our folder of the certificate."""
    pod = named(render(with_tls(folder)), "Deployment", "mlflow")["spec"]["template"]["spec"]
    words: list[str] = pod["containers"][0]["command"]
    return [word.replace("/etc/tls", str(certificates / "mlflow")) for word in words if "ssl" in word]


def test_a_version_is_registered_and_pulled_by_who_has_the_authority_and_by_nobody_else(
    bucket: Bucket, certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The files lie in the store. The client has no keys for it, because they pass through the server."""
    (tmp_path / "generator").mkdir()
    (tmp_path / "generator" / "weights").write_bytes(b"numbers")
    options = options_of_the_manifest(certificates, tmp_path / "overlay")
    assert len(options) == 1
    with running_mlflow(tmp_path / "server", f"proxied-s3://{bucket.name}/artifacts", *options) as uri:
        for name in bucket.server.environment:
            monkeypatch.delenv(name)
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        told = r"its certificate is not trusted: set MLFLOW_TRACKING_SERVER_CERT_PATH"
        with pytest.raises(UserError, match=told):
            Registry()
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(tmp_path / "missing.crt"))
        with pytest.raises(UserError, match=told):
            Registry()
        monkeypatch.setenv("MLFLOW_TRACKING_SERVER_CERT_PATH", str(certificates / "ca.crt"))
        registry = Registry()
        registry.create_model("generator")
        with mlflow.start_run(experiment_id="0"):
            version = registry.register("generator", tmp_path / "generator", {})
        registry.pull(registry.resolve(f"models:/generator/{version.number}"), tmp_path / "pulled")
    assert (tmp_path / "pulled" / "weights").read_bytes() == b"numbers"


KUBECTL = """
import base64, time
from pathlib import Path
if "port-forward" in sys.argv:
    print("Forwarding from 127.0.0.1", flush=True)
    time.sleep(600)
name = sys.argv[sys.argv.index("get") + 2]
uri = {"MLFLOW_TRACKING_URI": "https://mlflow.fabgan:5000"}
secret = {"MLFLOW_TRACKING_USERNAME": base64.b64encode(b"fabgan").decode()}
authority = {"ca.crt": Path("AUTHORITY").read_text()}
print(json.dumps({"data": {"fabgan-mlflow": secret, "fabgan-endpoints": uri, "fabgan-ca": authority}[name]}))
"""
"""Answers as kubectl would for a namespace whose MLflow serves TLS; its port is that of the server of the test."""


def test_the_check_of_a_cluster_trusts_its_authority(
    certificates: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = KUBECTL.replace("AUTHORITY", str(certificates / "ca.crt"))
    serving = options_of_the_manifest(certificates, tmp_path / "overlay")
    monkeypatch.setenv("PATH", a_kubectl(tmp_path / "bin", script))
    for name in ("KUBECONFIG", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_URI", "MLFLOW_TRACKING_SERVER_CERT_PATH"):
        monkeypatch.setenv(name, "")
    (tmp_path / "artifacts").mkdir()
    with (
        KubeflowServer(State()) as kubeflow,
        running_mlflow(tmp_path, str(tmp_path / "artifacts"), *serving) as uri,
    ):
        monkeypatch.setattr("tests.cluster.__main__.MLFLOW_PORT", int(uri.rsplit(":")[-1]))
        with site_of(options_of(["--kubeconfig=config", f"--host={kubeflow.url}"])) as (_, client):
            assert [one.name for one in client.search_experiments()] == ["Default"]
