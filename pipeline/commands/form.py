"""The form of a pipeline: the fields that Kubeflow shows, and the values that a person enters."""

import json
from collections.abc import Callable, Mapping
from itertools import product
from typing import Any

from fabgan.components.augment.parameters import AugmentParameters
from fabgan.components.core.errors import UserError
from fabgan.components.core.parameters import parse
from fabgan.components.services.storage import split_url

from ..definitions.explained import choices_of
from ..definitions.training import steps_of
from ..pod.defects import requests_of
from ..pod.form import FORM, checked_sections

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
    if form.get("pod_gpus", 0) < 0:
        raise UserError(f"{FORM}: pod_gpus: expected 0 or more, got {form['pod_gpus']}")
    if name == "augmentation":
        _check_augmentation(form)
        return
    if name == "defects":
        requests_of(form)
    for training in _trainings(form):
        checked_sections(steps_of(content), dict(form) | training, form.get("pod_gpus", 0))


def _trainings(form: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the fields of each training of a form: those of a sweep have lists."""
    axes = {"image_size_px": "image_sizes_px", "variant": "variants", "seed": "seeds"}
    if axes["variant"] not in form:
        return [{}]
    if empty := [field for field in axes.values() if not form[field]]:
        raise UserError(f"{FORM}: {', '.join(empty)}: expected at least one value in each list")
    return [dict(zip(axes, values, strict=True)) for values in product(*(form[field] for field in axes.values()))]


def _check_augmentation(form: Mapping[str, Any]) -> None:
    split_url(form["destination"])
    asked = {name: form[name] for name in ("model", "count", "seed", "label", "images_per_file")}
    parse(AugmentParameters, asked | {"first": 0}, FORM)
    if form["shards"] < 1:
        raise UserError(f"{FORM}: shards: expected a positive int, got {form['shards']}")


def _read(name: str, spec: Any, text: str) -> Any:
    try:
        return READERS[spec.type](text)
    except ValueError as error:
        raise UserError(f"{name}: expected {spec.type.lower()}, got {text}") from error
