"""kubectl for a cluster: questions, deletions, and ports of services on this machine."""

import base64
import json
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.servers.mlflow_server import free_port

FORWARD_TIMEOUT_S = 30


class Kubectl:
    """kubectl with the configuration of a cluster."""

    def __init__(self, kubeconfig: Path) -> None:
        self.command = ["kubectl", f"--kubeconfig={kubeconfig}"]

    def run(self, *arguments: str, timeout_s: float = 60) -> str:
        """Return what kubectl prints. Raises RuntimeError with its last words if it fails."""
        done = subprocess.run(
            [*self.command, *arguments], capture_output=True, text=True, check=False, timeout=timeout_s
        )
        if done.returncode != 0:
            raise RuntimeError(f"kubectl {arguments[0]}: {' '.join(done.stderr.split()) or 'failed'}")
        return done.stdout

    def items(self, *arguments: str) -> list[dict[str, Any]]:
        """Return the objects that `kubectl get` finds."""
        found: list[dict[str, Any]] = json.loads(self.run("get", *arguments, "--output=json"))["items"]
        return found

    def secret(self, name: str, namespace: str) -> Mapping[str, str]:
        """Return the keys and values of a Secret."""
        found = json.loads(self.run("get", "secret", name, f"--namespace={namespace}", "--output=json"))
        return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}

    def config_map(self, name: str, namespace: str) -> Mapping[str, str]:
        """Return the keys and values of a ConfigMap."""
        found: Mapping[str, str] = json.loads(
            self.run("get", "configmap", name, f"--namespace={namespace}", "--output=json")
        )["data"]
        return found

    @contextmanager
    def forwarded(self, service: str, namespace: str, port: int, local: int = 0) -> Iterator[str]:
        """Yield the address on this machine that leads to a port of a service. Raises RuntimeError if none does."""
        local = local or free_port()
        command = [*self.command, f"--namespace={namespace}", "port-forward", f"service/{service}", f"{local}:{port}"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            try:
                _wait_until_it_listens(process, service)
                yield f"http://localhost:{local}"
            finally:
                process.terminate()


def _wait_until_it_listens(process: "subprocess.Popen[str]", service: str) -> None:
    assert process.stdout is not None
    assert process.stderr is not None
    deadline_s = time.monotonic() + FORWARD_TIMEOUT_S
    while time.monotonic() < deadline_s:
        if process.stdout.readline().startswith("Forwarding from"):
            return
        if process.poll() is not None:
            break
    raise RuntimeError(f"port-forward of {service}: {' '.join(process.stderr.read().split()) or 'ended'}")
