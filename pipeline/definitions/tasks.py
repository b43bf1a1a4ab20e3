"""The tasks of a pipeline: each a component of one image, placed where it runs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from kfp import dsl

from . import steps
from .cluster import Place


@dataclass(frozen=True)
class Tasks:
    """Adds tasks to the pipeline that is being described."""

    image: str
    place: Place

    def add(self, function: Callable[..., Any], step: str, **inputs: Any) -> Any:
        """Return a new task that runs a function of steps.py, with what `step` gets in a cluster."""
        component = dsl.component(function, base_image=self.image, install_kfp_package=False)
        return self.place(component(**inputs), step, inputs.get("gpus"))

    def add_packages(self, sections: Mapping[str, Any]) -> Any:
        """Add ingest and crop_resize, and return the packages that come of them."""
        ingest = self.add(steps.ingest, "ingest", params=sections["ingest"])
        frames, params = ingest.outputs["frames"], sections["crop_resize"]
        return self.add(steps.crop_resize, "crop_resize", params=params, frames=frames).outputs["packages"]
