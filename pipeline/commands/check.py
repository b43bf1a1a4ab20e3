"""Compare what a run needs with what a cluster has, before anything is submitted."""

from pathlib import Path

from fabgan.components.core.errors import UserError

from ..checks.cluster import ask, read
from ..checks.finding import Finding, Wanted
from ..checks.run import findings
from .settings import chosen_size, kubeflow_settings


def check(params: Path, image: str, *, namespace: str, size: str, gpus: int, dump: Path | None) -> list[Finding]:
    """Return what keeps a run in a namespace from succeeding, by kubectl's answers or by a file that holds them.

    Raises UserError for an unknown size or negative GPUs, without kubectl, and for a question that it refuses.
    """
    if gpus < 0:
        raise UserError(f"--gpus {gpus}: expected 0 or more GPUs")
    settings = kubeflow_settings(params)
    size = chosen_size(settings, size, params)
    cluster = read(dump) if dump else ask(namespace)
    return findings(cluster, Wanted(namespace, settings, size, gpus, image))
