"""The components that pipelines of others can use, and what kubeflow/pipelines-components wants to know of each.

Components that plan a run of our own pipelines, or that share its work out, are not among them.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from . import defect_steps, steps

KUBEFLOW_PIPELINES = "2.17.0"
"""The version that they were tried with, and the oldest one that is supported."""
ON_A_CLUSTER, LOCALLY = "2026-11-27", "2026-11-28"
"""When the components last ran on a real cluster, or else with Kubeflow's local runner."""


@dataclass(frozen=True)
class Entry:
    """A component, and what is not in its definition."""

    function: Callable[..., Any]
    category: Literal["data_processing", "training", "evaluation", "deployment"]
    verified: str
    """The day on which it last ran, at one of the two places."""

    @property
    def name(self) -> str:
        """The name of the component and of its folder."""
        return self.function.__name__

    @property
    def stability(self) -> str:
        """`beta` if it has run on a real cluster; `alpha` if not. Nothing was released, so nothing is `stable`."""
        return "beta" if self.verified == ON_A_CLUSTER else "alpha"


CATALOGUE = (
    Entry(steps.ingest, "data_processing", ON_A_CLUSTER),
    Entry(steps.crop_resize, "data_processing", ON_A_CLUSTER),
    Entry(steps.train, "training", ON_A_CLUSTER),
    Entry(steps.evaluate, "evaluation", ON_A_CLUSTER),
    Entry(steps.publish, "deployment", ON_A_CLUSTER),
    Entry(defect_steps.train_defects, "training", LOCALLY),
    Entry(defect_steps.make_defects, "data_processing", LOCALLY),
)
