"""The components that pipelines of others can use, and what kubeflow/pipelines-components wants to know of each.

Components that plan a run of our own pipelines, or that share its work out, are not among them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from . import defect_steps, steps

KUBEFLOW_PIPELINES = "2.17.0"
"""The version that they were tried with, and the oldest one that is supported."""
CLUSTER_DAY, LOCAL_DAY = "2026-11-27", "2026-11-28"
"""When components last ran on a real cluster, and with Kubeflow's local runner."""


@dataclass(frozen=True)
class Entry:
    """A component, and what is not in its definition."""

    function: Callable[..., Any]
    category: Literal["data_processing", "training", "evaluation", "deployment"]
    on_cluster: bool
    """Whether it has run on a real cluster, and not only with Kubeflow's local runner."""

    @property
    def name(self) -> str:
        """The name of the component and of its folder."""
        return self.function.__name__

    @property
    def verified(self) -> str:
        """The day on which it last ran on a cluster, or else locally."""
        return CLUSTER_DAY if self.on_cluster else LOCAL_DAY

    @property
    def stability(self) -> str:
        """`beta` if it has run on a real cluster; `alpha` if not. Nothing was released, so nothing is `stable`."""
        return "beta" if self.on_cluster else "alpha"


CATALOGUE = (
    Entry(steps.ingest, "data_processing", on_cluster=True),
    Entry(steps.crop_resize, "data_processing", on_cluster=True),
    Entry(steps.train, "training", on_cluster=True),
    Entry(steps.evaluate, "evaluation", on_cluster=True),
    Entry(steps.publish, "deployment", on_cluster=True),
    Entry(defect_steps.train_defects, "training", on_cluster=False),
    Entry(defect_steps.make_defects, "data_processing", on_cluster=False),
)
