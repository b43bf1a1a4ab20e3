"""The resources of a run's pods, by the size and the GPUs that its form names."""

from collections.abc import Mapping
from typing import Any

from fabgan.components.core.errors import UserError

from .form import FORM
from .reporting import report_errors


def check_gpus(pod_gpus: int) -> None:
    """Raise a UserError for a negative number of GPUs."""
    if pod_gpus < 0:
        raise UserError(f"{FORM}: pod_gpus: expected 0 or more, got {pod_gpus}")


@report_errors
def resources(sizes: Mapping[str, Mapping[str, str]], pod_size: str, pod_gpus: int | None = None) -> dict[str, Any]:
    """Return what the pods of a run request, and their limits, as text, which Kubeflow's driver demands.

    Refuses a size that `sizes` does not have, and a negative number of GPUs.
    """
    if pod_size not in sizes:
        raise UserError(f"{FORM}: pod_size: expected one of {', '.join(sizes)}, got {pod_size}")
    if pod_gpus is None:
        return dict(sizes[pod_size])
    check_gpus(pod_gpus)
    return dict(sizes[pod_size]) | {"gpus": str(pod_gpus)}
