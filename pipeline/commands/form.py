"""The form of a pipeline: the fields that Kubeflow shows, and the values that a person enters."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from fabgan.components.core.errors import UserError

from ..definitions.explained import choices_of
from ..definitions.training import steps_of
from ..pod import augmenting
from ..pod.defects import requests_of
from ..pod.form import checked_sections
from ..pod.sizing import check_gpus
from ..pod.sweeping import checked_trainings, with_sizes

READERS: dict[str, Callable[[str], Any]] = {"Integer": int, "Float": float, "String": str, "List": json.loads}


def chosen(pipeline: Any, asked: Mapping[str, str]) -> dict[str, Any]:
    """Return a value for every field of a pipeline's form: the text given in `asked`, converted, or the default.

    Raises UserError for an unknown field, a value of the wrong type or of no choice, or a field with neither value nor
    default.
    """
    inputs = pipeline.component_spec.inputs or {}
    unknown = asked.keys() - inputs.keys()
    if unknown:
        raise UserError(f"{', '.join(sorted(unknown))}: unknown field of {pipeline.name} (known: {', '.join(inputs)})")
    missing = [name for name, spec in inputs.items() if not spec.optional and name not in asked]
    if missing:
        raise UserError(f"{', '.join(missing)}: {pipeline.name} needs a value; add --set {missing[0]}=VALUE")
    for name, choices in choices_of(pipeline).items():
        if (value := asked.get(name, inputs[name].default)) not in choices:
            raise UserError(f"{name}: expected one of {', '.join(choices)}, got {value}")
    return {name: _read(name, spec, asked[name]) if name in asked else spec.default for name, spec in inputs.items()}


def check_form(name: str, content: Mapping[str, Any], form: Mapping[str, Any]) -> None:
    """Raise UserError for values with which the first task of the pipeline `name` would fail.

    `content` is a params.yaml. What only the cluster knows is not checked, such as whether the data is there.
    """
    gpus = form.get("pod_gpus", 0)
    check_gpus(gpus)
    if name == "augmentation":
        augmenting.checked(form)
    elif name == "sweep":
        sizes_px = form["image_sizes_px"]
        sections = checked_sections(steps_of(content), with_sizes(form, sizes_px))
        checked_trainings(asdict(sections["train"]), form["variants"], sizes_px, form["seeds"], gpus)
    else:
        checked_sections(steps_of(content), form, gpus)
    if name == "defects":
        requests_of(form)


def _read(name: str, spec: Any, text: str) -> Any:
    try:
        return READERS[spec.type](text)
    except ValueError as error:
        raise UserError(f"{name}: expected {spec.type.lower()}, got {text}") from error
