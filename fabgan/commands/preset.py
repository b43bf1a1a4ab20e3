"""`fabgan preset`: write the values of a preset of params.yaml into its sections."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabgan.components.core.errors import UserError
from fabgan.components.steps import STEPS

from .options import add_command, add_params

if TYPE_CHECKING:
    from .options import Subcommands
    from .params_file import ParamsFile


SETTABLE = {*STEPS, "kubeflow"}
"""Sections that a preset may have."""


def add(commands: "Subcommands") -> None:
    """Add the subcommand `preset`."""
    command = add_command(commands, "preset", "write a preset of params.yaml into the sections of that file")
    add_params(command)
    command.add_argument("name", help="demo, defects, seamless or paper, or another key below `presets` of that file")
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    changed = apply_preset(options.params, options.name)
    sys.stdout.write(f"{options.params}: preset {options.name}: {changed} value(s) changed; next: dvc repro\n")


def apply_preset(path: Path, name: str) -> int:
    """Write the values of `presets.NAME` into the sections of a params.yaml; return how many changed.

    Its comments stay. Raises UserError if there is no preset of this name, for one without values, and for a key that
    no section has.
    """
    from fabgan.components.core.parameters import load_yaml
    from fabgan.components.steps import load_content, parse_sections

    from .params_file import ParamsFile

    content = load_content(path)
    file = ParamsFile.read(path)
    if name not in (known := file.keys("presets")):
        raise UserError(f"{path}: presets.{name}: no such preset (known: {', '.join(known) or 'none'})")
    sections = file.keys(f"presets.{name}")
    if not sections or not set(sections) <= SETTABLE:
        allowed = ", ".join(sorted(SETTABLE))
        strange = ", ".join(sorted(set(sections) - SETTABLE)) or "it has none"
        raise UserError(f"{path}: presets.{name}: expected sections with values, got: {strange} (known: {allowed})")
    changed = 0
    for key in _leaves(file, f"presets.{name}"):
        own = key.removeprefix(f"presets.{name}.")
        changed += not file.holds(own) or file.value(own) != file.value(key)
        file.set(own, file.source(key))
        _put(content, own.split("."), file.value(key))
    parse_sections(content, f"{path} with the preset {name}")
    file.write(load_yaml(path) | content)
    return changed


def _leaves(file: "ParamsFile", key: str) -> Iterator[str]:
    """Yield the dotted names of everything below a key that is no mapping."""
    for name in file.keys(key):
        below = f"{key}.{name}"
        if file.keys(below):
            yield from _leaves(file, below)
        else:
            yield below


def _put(content: dict[str, Any], names: list[str], value: Any) -> None:
    for name in names[:-1]:
        if not isinstance(content.get(name), dict):
            content[name] = {}
        content = content[name]
    content[names[-1]] = value
