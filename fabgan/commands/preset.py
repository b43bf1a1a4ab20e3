"""`fabgan preset`: write the values of a preset of params.yaml into its sections."""

from collections.abc import Mapping, MutableMapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabgan.components.core.errors import UserError

from .options import add_command, add_params

if TYPE_CHECKING:
    from .options import Subcommands


def add(commands: "Subcommands") -> None:
    """Add the subcommand `preset`."""
    command = add_command(commands, "preset", "write a preset of params.yaml into the sections of that file")
    add_params(command)
    command.add_argument("name", help="name of the preset: a key below `presets`")
    command.set_defaults(run=lambda options: apply_preset(options.params, options.name))


def apply_preset(path: Path, name: str) -> None:
    """Write the values of `presets.NAME` into the sections of a params.yaml and keep its comments.

    Raises UserError if there is no preset of this name.
    """
    from .params_file import edited

    with edited(path) as content:
        presets = content.get("presets") or {}
        if name not in presets:
            raise UserError(f"{path}: presets.{name}: no such preset (known: {', '.join(presets) or 'none'})")
        _merge(content, presets[name])


def _merge(content: MutableMapping[str, Any], changes: Mapping[str, Any]) -> None:
    for key, value in changes.items():
        if isinstance(value, Mapping):
            _merge(content.setdefault(key, {}), value)
        else:
            content[key] = value
