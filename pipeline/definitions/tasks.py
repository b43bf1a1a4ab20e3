"""The tasks of a pipeline: each is a component of the one container image, prepared for the place where it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kfp import dsl

from . import steps
from .cluster import Placement


@dataclass(frozen=True)
class Tasks:
    """Adds tasks to the pipeline whose function is running."""

    image: str
    place: Placement

    def add(self, function: Callable[..., Any], step: str, **inputs: Any) -> Any:
        """Return a new task that runs a function of steps.py with the resources of `step`."""
        component = dsl.component(function, base_image=self.image, install_kfp_package=False)
        return self.place(component(**inputs), step, inputs.get("gpus"))

    def add_packages(self, sections: Mapping[str, Any]) -> Any:
        """Add the tasks ingest and crop_resize, and return the packages that crop_resize outputs."""
        ingest = self.add(steps.ingest, "ingest", params=sections["ingest"])
        frames, params = ingest.outputs["frames"], sections["crop_resize"]
        return self.add(steps.crop_resize, "crop_resize", params=params, frames=frames).outputs["packages"]
