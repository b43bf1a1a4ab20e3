"""`python -m tests.cluster`: run the pipelines on a cluster at the demo's size, and print a table.

The exit status is 1 if anything failed. Passwords of MLflow are read from the Secret of the namespace.
"""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

from fabgan.components.core.errors import UserError
from fabgan.pipeline.commands.submit import Kubeflow
from tests.conftest import ROOT, VERSION

from .checks import checks_of
from .kubectl import Kubectl
from .site import Site
from .table import run_checks, table

MLFLOW_PORT = 5000
"""On this machine too: MLflow answers to the name localhost:5000 only."""


def options_of(arguments: list[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(prog="make cluster-check", description=__doc__)
    parser.add_argument("--kubeconfig", type=Path, required=True, help="configuration of kubectl for the cluster")
    parser.add_argument("--namespace", default="kubeflow", help="namespace of the runs; default: kubeflow")
    parser.add_argument("--image", default=f"fabgan:{VERSION}", help="image of the steps in the fab's registry")
    parser.add_argument("--host", default="", help="address of Kubeflow; default: a port-forward to its UI")
    parser.add_argument("--token-file", type=Path, help="file with a token, if Kubeflow asks for one")
    parser.add_argument("--minutes", type=float, default=30, help="when to give up; default: 30")
    return parser.parse_args(arguments)


@contextmanager
def site_of(options: argparse.Namespace) -> Iterator[tuple[Site, Any]]:
    """Yield the site and a client of its MLflow, both reached through ports on this machine."""
    deadline_s = time.monotonic() + 60 * options.minutes
    kubectl = Kubectl(options.kubeconfig)
    os.environ["KUBECONFIG"] = str(options.kubeconfig)
    os.environ.update(kubectl.secret("fabgan-mlflow", options.namespace))
    with (
        kubectl.forwarded("mlflow", "fabgan", MLFLOW_PORT, MLFLOW_PORT) as mlflow_uri,
        _authority(kubectl, options.namespace) as authority,
        _host(kubectl, options) as host,
    ):
        # The certificates hold for localhost too, for such ports.
        os.environ["MLFLOW_TRACKING_URI"] = mlflow_uri.replace("http:", "https:") if authority else mlflow_uri
        os.environ |= {"MLFLOW_TRACKING_SERVER_CERT_PATH": authority} if authority else {}
        from mlflow import MlflowClient

        namespace = options.namespace if options.token_file else ""
        kubeflow = Kubeflow(host, namespace, options.token_file, None)
        site = Site(kubectl, kubeflow, options.namespace, options.image, ROOT / "params.yaml", deadline_s)
        yield site, MlflowClient(os.environ["MLFLOW_TRACKING_URI"])


@contextmanager
def _authority(kubectl: Kubectl, namespace: str) -> Iterator[str]:
    """Yield a file with the certificate of the authority that MLflow's is signed by, or nothing if it serves no TLS."""
    if not kubectl.config_map("fabgan-endpoints", namespace)["MLFLOW_TRACKING_URI"].startswith("https:"):
        yield ""
        return
    with NamedTemporaryFile("w", suffix=".crt", encoding="utf-8") as file:
        file.write(kubectl.config_map("fabgan-ca", namespace)["ca.crt"])
        file.flush()
        yield file.name


@contextmanager
def _host(kubectl: Kubectl, options: argparse.Namespace) -> Iterator[str]:
    if options.host:
        yield options.host
        return
    with kubectl.forwarded("ml-pipeline-ui", "kubeflow", 80) as host:
        yield host


def main(arguments: list[str]) -> int:
    """Run the checks and print the table; return the exit status."""
    options = options_of(arguments)
    try:
        with site_of(options) as (site, mlflow):
            rows = run_checks(checks_of(site, mlflow), sys.stderr.write)
    except (UserError, RuntimeError, OSError) as error:
        sys.stderr.write(f"cluster-check: the cluster cannot be reached: {error}\n")
        return 1
    sys.stdout.write(table(rows))
    return 0 if all(row.passed for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
