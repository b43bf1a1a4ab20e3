"""Compare what a run needs with what a cluster has, before anything is submitted."""

from pathlib import Path

from fabgan.components.core.errors import UserError
from fabgan.components.core.parameters import parse
from fabgan.components.steps import load_content

from ..checks.cluster import ask, read
from ..checks.finding import Finding, Wanted
from ..checks.run import findings
from ..definitions.cluster import KubeflowParameters


def check(params: Path, image: str, *, namespace: str, size: str, gpus: int, dump: Path | None) -> list[Finding]:
    """Return what keeps a run in a namespace from succeeding, by kubectl's answers or by a file that holds them.

    Raises UserError for an unknown size or negative GPUs, without kubectl, and for a question that it refuses.
    """
    settings = parse(KubeflowParameters, load_content(params).get("kubeflow", {}), str(params), "kubeflow")
    size = size or settings.size
    if size not in settings.sizes or gpus < 0:
        raise UserError(f"--size {size} --gpus {gpus}: expected one of {', '.join(settings.sizes)}, and 0 or more GPUs")
    cluster = read(dump) if dump else ask(namespace)
    return findings(cluster, Wanted(namespace, settings, size, gpus, image))
