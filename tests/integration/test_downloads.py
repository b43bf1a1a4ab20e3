"""Artifacts go through the MLflow server, and not to or from the store behind it, which others cannot reach."""

import json
import os
import shlex
import subprocess
import sys
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
import pytest

from fabgan.components.services.tracking.registry import Registry
from tests.servers.bucket import Bucket
from tests.servers.mlflow_server import running_mlflow
from tests.tracing import THIS_MACHINE, Trace

pytestmark = pytest.mark.integration
OURS = """
from pathlib import Path
from fabgan.components.services.tracking.registry import Registry
registry = Registry()
registry.pull(registry.resolve("models:/example/1"), Path("pulled"))
import mlflow
with mlflow.start_run(experiment_id="0"):
    mlflow.log_artifact("pulled/weights", "again")
"""
ANOTHER = """
import mlflow
mlflow.artifacts.download_artifacts("models:/example/1", dst_path="pulled")
with mlflow.start_run(experiment_id="0"):
    mlflow.log_artifact("pulled/weights", "again")
"""
LARGE = {"MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE": str(5 << 20), "MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE": str(5 << 20)}
"""By default, mlflow takes files from 500 MB on to be large."""


@pytest.mark.parametrize(
    ("scheme", "program", "reaches"),
    [("s3", OURS, False), ("s3", ANOTHER, True), ("proxied-s3", ANOTHER, False)],
    ids=["our client", "another client", "another client of our server"],
)
def test_a_client_does_not_reach_for_the_store(
    scheme: str, program: str, reaches: bool, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our client needs no address in any store, and our server offers none to anyone's."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(os.urandom(6 << 20))
    with running_mlflow(tmp_path / "server", bucket.url("artifacts").replace("s3", scheme, 1)) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        registry = Registry()
        registry.create_model("example")
        with mlflow.start_run(experiment_id="0"):
            registry.register("example", tmp_path / "model", {})
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MLFLOW_ENABLE"))}
        trace = Trace(tmp_path / "trace.txt")
        command = [*shlex.split(trace.under()), sys.executable, "-c", program]
        done = subprocess.run(command, cwd=tmp_path, env=outside | LARGE, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert offered(uri) == (scheme == "s3")
    assert trace.reached() <= THIS_MACHINE
    port = urlsplit(bucket.server.endpoint).port
    assert (f"htons({port})" in trace.file.read_text()) == reaches
    stored = [bucket.get(key) for key in bucket.objects() if key.endswith("weights")]
    assert stored == 2 * [(tmp_path / "model" / "weights").read_bytes()]
    assert (tmp_path / "pulled" / "weights").read_bytes() == stored[0]


def offered(uri: str) -> bool:
    """Return whether a server offers addresses in its store, for reading or for writing."""
    with urllib.request.urlopen(f"{uri}/api/3.0/mlflow/server-info") as answer:
        told = json.load(answer)
    assert told["multipart_downloads_enabled"] == told["multipart_uploads_enabled"]
    return bool(told["multipart_downloads_enabled"])
