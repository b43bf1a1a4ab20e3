"""What a pipeline asks for at the top of Kubeflow's form, and the values that a person gives."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from fabgan.components.core.errors import UserError

READERS: dict[str, Callable[[str], Any]] = {"Integer": int, "Float": float, "String": str, "List": json.loads}


def chosen(pipeline: Any, asked: Mapping[str, str]) -> dict[str, Any]:
    """Return a value for everything that a pipeline asks for: what is `asked`, as text, or its default.

    Raises UserError for a name that it does not ask for, a value of another type, or one that is missing.
    """
    inputs = pipeline.component_spec.inputs or {}
    unknown = asked.keys() - inputs.keys()
    if unknown:
        raise UserError(
            f"{', '.join(sorted(unknown))}: {pipeline.name} asks for no such thing (it asks for {', '.join(inputs)})"
        )
    missing = [name for name, spec in inputs.items() if not spec.optional and name not in asked]
    if missing:
        raise UserError(f"{', '.join(missing)}: {pipeline.name} needs a value; give it as --set {missing[0]}=VALUE")
    return {name: _read(name, spec, asked[name]) if name in asked else spec.default for name, spec in inputs.items()}


def _read(name: str, spec: Any, text: str) -> Any:
    try:
        return READERS[spec.type](text)
    except ValueError as error:
        raise UserError(f"{name}: expected {spec.type.lower()}, got {text}") from error
