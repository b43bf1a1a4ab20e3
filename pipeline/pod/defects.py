"""The pods of the defects pipeline: check its form, train, judge and register the defect model, make images with it."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from fabgan.components.core.errors import UserError
from fabgan.components.core.parameters import parse
from fabgan.components.defects.parameters import DefectsParameters, TrainDefectsParameters

from . import run
from .form import FORM
from .reporting import report_errors
from .supervisor import supervised

PAGE = "defects.html"


def requests_of(form: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the checked parameters of training and of making images. Raises UserError for a wrong value."""
    if not form["annotations"] and not form["data_source"].endswith(".yaml"):
        raise UserError(f"{FORM}: annotations: say where in the source the defects are annotated")
    common = {"size_px": form["image_size_px"], "seed": form["seed"]}
    training = common | {name: form[name] for name in ("steps", "runs")}
    making = common | {name: form[name] for name in ("images", "layout")} | {"counts": {}, "per_kind": 0}
    return {
        "training": asdict(parse(TrainDefectsParameters, training, FORM)),
        "making": asdict(parse(DefectsParameters, making, FORM)),
    }


@report_errors
def plan(content: Mapping[str, Any], form: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the parameters of every step, with the data pinned. The pipeline's run is opened in MLflow."""
    asked = requests_of(form)
    sections = run.pinned_sections(content, form)
    return {name: sections[name] for name in ("ingest", "crop_resize")} | asked


@report_errors
def train(section: Mapping[str, Any], metrics: Any, model_name: str, **paths: str) -> str:
    """Train the defect model, judge it and register it; return its version in words.

    If its process is killed, it resumes.
    """
    found = supervised("train_defects", {"section": section, "paths": paths, "model_name": model_name})
    run.log_metrics(metrics, found["metrics"])
    return str(found["registered"])


@report_errors
def make(section: Mapping[str, Any], metrics: Any, registered: str, **paths: str) -> None:
    """Make images of the kinds that the model recommends, which may be none."""
    from fabgan.components.services.tracking.pipelines import record_outcome

    found = supervised("defects", {"section": section, "paths": paths})
    run.log_metrics(metrics, found)
    record_outcome(f"{registered}: {found['images']:.0f} images with defects")
