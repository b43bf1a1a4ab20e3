"""A registered model is pulled through the MLflow server, never from the store behind it, which others cannot reach."""

import os
import shlex
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import mlflow
import pytest

from fabgan.components.services.tracking.registry import Registry
from tests.servers.bucket import Bucket
from tests.servers.mlflow_server import running_mlflow
from tests.tracing import THIS_MACHINE, Trace

pytestmark = pytest.mark.integration
PULL = """
from pathlib import Path
from fabgan.components.services.tracking.registry import Registry
registry = Registry()
registry.pull(registry.resolve("models:/example/1"), Path("pulled"))
"""


@pytest.mark.parametrize(
    ("environment", "reaches"), [({}, False), ({"MLFLOW_ENABLE_PROXY_MULTIPART_DOWNLOAD": "1"}, True)]
)
def test_a_client_does_not_reach_for_the_store(
    environment: dict[str, str], reaches: bool, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second case shows that the trace would see it."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "weights").write_bytes(os.urandom(100_000))
    with running_mlflow(tmp_path / "server", bucket.url("artifacts")) as uri:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        registry = Registry()
        with mlflow.start_run(experiment_id="0"):
            registry.register("example", tmp_path / "model", {})
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "MLFLOW_ENABLE"))}
        trace = Trace(tmp_path / "trace.txt")
        command = [*shlex.split(trace.under()), sys.executable, "-c", PULL]
        done = subprocess.run(
            command, cwd=tmp_path, env=outside | environment, capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stderr
    assert trace.reached() <= THIS_MACHINE
    port = urlsplit(bucket.server.endpoint).port
    assert (f"htons({port})" in trace.file.read_text()) == reaches
    assert (tmp_path / "pulled" / "weights").read_bytes() == (tmp_path / "model" / "weights").read_bytes()
