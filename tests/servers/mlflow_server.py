"""A real MLflow server with a SQL store, on a free port of loopback."""

import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_TIMEOUT_S = 240


def free_port() -> int:
    """Return a port that nothing listens on just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@contextmanager
def running_mlflow(folder: Path, artifacts: str) -> Iterator[str]:
    """Yield the address of a server whose database lies in `folder`, and its files at `artifacts`, a folder or s3://."""
    folder.mkdir()
    uri = f"http://127.0.0.1:{free_port()}"
    command = [sys.executable, "-m", "mlflow", "server", f"--port={uri.rsplit(':')[-1]}", "--workers=1"]
    stores = [f"--backend-store-uri=sqlite:///{folder}/mlflow.db", f"--artifacts-destination={artifacts}"]
    quiet = os.environ | {"MLFLOW_DISABLE_TELEMETRY": "true"}
    with (
        (folder / "log.txt").open("w") as log,
        subprocess.Popen([*command, *stores], cwd=folder, env=quiet, stdout=log, stderr=subprocess.STDOUT) as process,
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
