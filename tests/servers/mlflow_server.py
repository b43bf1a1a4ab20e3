"""A real MLflow server with a SQL store, on a free port of loopback."""

import os
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.conftest import ROOT
from tests.database import database_in

START_TIMEOUT_S = 240


def free_port() -> int:
    """Return a port that nothing listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def with_plugins(folder: Path) -> Path:
    """Return a folder that tells Python of this checkout's entry points, whichever version of it is installed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    installed = folder / "plugins" / "fabgan_of_tests-0.dist-info"
    installed.mkdir(parents=True)
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: fabgan-of-tests\nVersion: 0\n")
    with (installed / "entry_points.txt").open("w") as file:
        for group, points in project["entry-points"].items():
            file.writelines([f"[{group}]\n", *(f"{name} = {target}\n" for name, target in points.items())])
    return installed.parent


@contextmanager
def running_mlflow(folder: Path, artifacts: str, *options: str) -> Iterator[str]:
    """Yield the address of a server: its database lies in `folder`, its files at `artifacts`, a folder or a bucket.

    With options for TLS, the address is that of localhost, and this process trusts the certificate by SSL_CERT_FILE.
    """
    database = database_in(folder)
    uri = f"{'https://localhost' if any('ssl' in option for option in options) else 'http://127.0.0.1'}:{free_port()}"
    command = [sys.executable, "-m", "mlflow", "server", f"--port={uri.rsplit(':')[-1]}", "--workers=1"]
    stores = [f"--backend-store-uri={database}", f"--artifacts-destination={artifacts}"]
    paths = f"{with_plugins(folder)}:{ROOT}"
    given = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "PYTHONPATH": paths}
    with (
        (folder / "log.txt").open("w") as log,
        subprocess.Popen(
            [*command, *stores, *options], cwd=folder, env=os.environ | given, stdout=log, stderr=subprocess.STDOUT
        ) as process,
    ):
        try:
            wait_for(uri, process)
            yield uri
        finally:
            process.terminate()


def wait_for(uri: str, process: subprocess.Popen[bytes], timeout_s: float = START_TIMEOUT_S) -> None:
    """Return once the server at `uri`, which is this process, says it is well; raise where it ends, or never does."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        assert process.poll() is None, "the MLflow server ended"
        try:
            with urllib.request.urlopen(f"{uri}/health", timeout=1):
                return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(f"no MLflow server at {uri} after {timeout_s} s")
