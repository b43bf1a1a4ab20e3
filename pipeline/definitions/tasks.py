"""The tasks of a pipeline: each is a component of the one container image, prepared for the place where it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from kfp import dsl

from . import steps
from .cluster import Placement


@dataclass(frozen=True)
class Tasks:
    """Adds tasks to the pipeline whose function is running."""

    image: str
    place: Placement
    chosen: Mapping[str, Any] = field(default_factory=dict)
    """Outputs of the task that plans the run, for the tasks after it."""

    def add(self, function: Callable[..., Any], step: str, **inputs: Any) -> Any:
        """Return a new task that runs the function of a component with the resources of `step`."""
        component = dsl.component(function, base_image=self.image, install_kfp_package=False)
        return self.place(component(**inputs), step, self.chosen, "gpus" in inputs)

    def after(self, plan: Any) -> "Tasks":
        """Return tasks that get the resources that the task `plan` chose."""
        return replace(self, chosen=plan.outputs)

    def add_packages(self) -> tuple[Any, Any]:
        """Add the tasks ingest and crop_resize, and return them. The packages are an output of crop_resize."""
        ingest = self.add(steps.ingest, "ingest", params=self.chosen["ingest"])
        frames, params = ingest.outputs["frames"], self.chosen["crop_resize"]
        return ingest, self.add(steps.crop_resize, "crop_resize", params=params, frames=frames)
