"""The `kubeflow` section of a params.yaml."""

from pathlib import Path

from fabgan.components.core.errors import UserError
from fabgan.components.core.parameters import parse
from fabgan.components.steps import load_content

from ..definitions.parameters import KubeflowParameters


def kubeflow_settings(params: Path) -> KubeflowParameters:
    """Return the section. Raises UserError for another schema, and for a wrong key."""
    return parse(KubeflowParameters, load_content(params).get("kubeflow", {}), str(params), "kubeflow")


def chosen_size(settings: KubeflowParameters, size: str, params: Path) -> str:
    """Return a key of `kubeflow.sizes`: `size`, or if that is empty `kubeflow.size`. Raises UserError for another."""
    chosen = size or settings.size
    if chosen not in settings.sizes:
        raise UserError(f"--size {chosen}: expected one of {', '.join(settings.sizes)}, the kubeflow.sizes of {params}")
    return chosen
