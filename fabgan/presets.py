"""Presets: sets of values kept in params.yaml, written into its sections by one command."""

from pathlib import Path

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
    for section, values in presets[name].items():
        for key, value in values.items():
            content[section][key] = value
    with atomic_file(path) as partial:
        yaml.dump(content, partial)
