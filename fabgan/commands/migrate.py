"""`fabgan migrate`: update a params.yaml of an older schema to the keys of this schema."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabgan.components.core.errors import UserError
from fabgan.components.steps import SCHEMA

from .options import add_command, add_params

if TYPE_CHECKING:
    from .options import Subcommands

RENAMED = {
    "train.seamless.judge_learning_rate": "discriminator_learning_rate",
    "train.seamless.slope_weight": "r1_gamma",
    "train.seamless.last_rate": "final_lr_fraction",
}
REMOVED: dict[str, object] = {
    "train.step": "region_wise",
    "train.paper.beta1": 0.5,
    "train.paper.beta2": 0.999,
    "train.seamless.beta1": 0.5,
    "train.seamless.beta2": 0.99,
    "train.seamless.slope_every_steps": 8,
}
"""Keys of schema 1 that schema 2 lacks, with the constant that replaces each."""


def add(commands: "Subcommands") -> None:
    """Add the subcommand `migrate`."""
    command = add_command(commands, "migrate", "update a params.yaml that was written for an older version")
    add_params(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    changes = migrate(options.params)
    sys.stdout.writelines(f"{change}\n" for change in changes)
    sys.stdout.write(f"{options.params}: schema {SCHEMA}\n")


def migrate(path: Path) -> list[str]:
    """Update a params.yaml to the schema of this version, keep its comments, and return one line per change.

    Raises UserError for a newer schema.
    """
    from .params_file import edited

    with edited(path) as content:
        if (schema := content.get("schema", 1)) > SCHEMA:
            raise UserError(f"{path}: schema: {schema} is newer than this version reads ({SCHEMA}); upgrade fabgan")
        content.pop("schema", None)
        content.insert(0, "schema", SCHEMA)
        return [
            change
            for prefix, sections in [("", content), *((f"presets.{name}.", one) for name, one in _presets(content))]
            for change in _migrated(sections, prefix)
        ]


def _presets(content: Any) -> Iterator[tuple[str, Any]]:
    yield from (content.get("presets") or {}).items()


def _migrated(sections: Any, prefix: str) -> Iterator[str]:
    for key, new in RENAMED.items():
        section, old = _section(sections, key)
        if old in section:
            place, comment = list(section).index(old), section.ca.items.pop(old, None)
            section.insert(place, new, section.pop(old))
            if comment is not None:
                section.ca.items[new] = comment
            yield f"{prefix}{key}: renamed to {new}"
    for key, fixed in REMOVED.items():
        section, old = _section(sections, key)
        if old in section:
            value = section.pop(old)
            lost = "" if value == fixed else f"; its value was {value}, this version always uses {fixed}"
            yield f"{prefix}{key}: removed{lost}"


def _section(sections: Any, key: str) -> tuple[Any, str]:
    """Return the mapping that holds a dotted key, or an empty one, and the key's last part."""
    *above, last = key.split(".")
    for name in above:
        sections = sections.get(name) or {}
    return sections, last
