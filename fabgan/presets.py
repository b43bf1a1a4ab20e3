"""Presets: sets of values kept in params.yaml, written into its sections by one command."""

from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import Any

from components.errors import UserError
from components.files import atomic_file


def apply_preset(path: Path, name: str) -> None:
    """Write the values of `presets.NAME` into the sections of a params.yaml, leaving its comments alone.

    Raises UserError for a preset that is not there.
    """
    from ruamel.yaml import YAML

    from components.parameters import load_yaml

    presets = load_yaml(path).get("presets") or {}
    if name not in presets:
        raise UserError(f"{path}: presets.{name}: no such preset (known: {', '.join(presets) or 'none'})")
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    content = yaml.load(path)
    _merge(content, presets[name])
    with atomic_file(path) as partial:
        yaml.dump(content, partial)


def _merge(content: MutableMapping[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping):
            _merge(content[key], value)
        else:
            content[key] = value
