"""`fabgan migrate`: update a params.yaml of an older schema to the keys of this schema."""

import argparse
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fabgan.components.core.errors import UserError
from fabgan.components.steps import SCHEMA

from .options import add_command, add_params

if TYPE_CHECKING:
    from .options import Subcommands
    from .params_file import ParamsFile

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
WITHOUT_SUCCESSOR = {
    "evaluate.max_share_of_untrained": "max_distance",
    "evaluate.min_diversity": "min_share",
}
"""Keys of schema 2 that schema 3 lacks, with the key to look at. Their values mean nothing for its measures."""
PLACES = ("settings", "ingest", "crop_resize", "train", "evaluate", "publish", "augment", "finish")
RESIZED = [f"kubeflow.steps.{step}.{resource}" for step in PLACES for resource in ("cpu", "memory")]
"""Keys of schema 3 that schema 4 lacks: a size, not a step, has resources."""


def add(commands: "Subcommands") -> None:
    """Add the subcommand `migrate`."""
    command = add_command(commands, "migrate", "update a params.yaml that was written for an older version")
    add_params(command)
    command.set_defaults(run=_run)


def _run(options: argparse.Namespace) -> None:
    before = options.params.read_bytes() if options.params.is_file() else b""
    changes = migrate(options.params)
    sys.stdout.writelines(f"{change}\n" for change in changes)
    same = options.params.read_bytes() == before
    sys.stdout.write(f"{options.params}: schema {SCHEMA}{' already, so nothing was changed' if same else ''}\n")


def migrate(path: Path) -> list[str]:
    """Update a params.yaml to the schema of this version, keep its comments, and return one line per change.

    Raises UserError for a newer schema, for a key that stands there by its old and its new name, and for a file whose
    anchors or merged keys it cannot follow; nothing is changed then.
    """
    from fabgan.components.core.parameters import load_yaml

    from .params_file import ParamsFile

    content, file = load_yaml(path), ParamsFile.read(path)
    written = content.get("schema", 1)
    schema = int(written) if isinstance(written, str) and written.isdecimal() else written
    if not isinstance(schema, int) or schema > SCHEMA:
        raise UserError(f"{path}: schema: expected {SCHEMA} or less, got {schema!r}; a newer fabgan may read it")
    if written == SCHEMA:
        return []
    prefixes = ["", *(f"presets.{name}." for name in file.keys("presets"))]
    changes = [f"schema: the text {written!r} is a number now"] if schema != written else []
    changes += [change for prefix in prefixes for change in _migrated(file, content, prefix)]
    _put_schema(file, content)
    file.write(content)
    return changes


def _put_schema(file: "ParamsFile", content: dict[str, Any]) -> None:
    if file.holds("schema"):
        file.set("schema", str(SCHEMA))
    else:
        first = file.root.value[0][0].start_mark.index
        file.splice(first, first, f"schema: {SCHEMA}\n\n")
    content["schema"] = SCHEMA


def _migrated(file: "ParamsFile", content: dict[str, Any], prefix: str) -> Iterator[str]:
    """Rename and remove the keys below a prefix, and yield one line per change."""
    for key in (*RENAMED, *REMOVED, *WITHOUT_SUCCESSOR, *RESIZED):
        if not file.holds(prefix + key) and key.rpartition(".")[2] in _section(content, prefix + key):
            raise UserError(f"{file.path}: {prefix}{key}: comes from a merged key (<<), which you have to edit by hand")
    yield from _renamed(file, content, prefix)
    for key, value in _taken_out(file, content, prefix, REMOVED):
        fixed = REMOVED[key]
        lost = "" if value == fixed else f"; its value was {value}, this version always uses {fixed}"
        yield f"{prefix}{key}: removed{lost}"
    for key, value in _taken_out(file, content, prefix, WITHOUT_SUCCESSOR):
        yield (
            f"{prefix}{key}: removed; its value was {value}, which means nothing for the measures of this version: see "
            f"evaluate.{WITHOUT_SUCCESSOR[key]}"
        )
    for key, value in _taken_out(file, content, prefix, RESIZED):
        yield f"{prefix}{key}: removed; its value was {value}; write kubeflow.sizes to choose resources by size"


def _renamed(file: "ParamsFile", content: dict[str, Any], prefix: str) -> Iterator[str]:
    for key, new in RENAMED.items():
        if file.holds(prefix + key):
            section = _section(content, prefix + key)
            if new in section:
                raise UserError(f"{file.path}: {prefix}{key}: its new name {new} stands there too; remove one of them")
            section[new] = section.pop(key.rpartition(".")[2])
            file.rename(prefix + key, new)
            yield f"{prefix}{key}: renamed to {new}"


def _taken_out(
    file: "ParamsFile", content: dict[str, Any], prefix: str, keys: Iterable[str]
) -> Iterator[tuple[str, object]]:
    """Take those of the keys out that the file has, and yield each with its value."""
    for key in keys:
        if file.holds(prefix + key):
            file.remove(prefix + key)
            yield key, _section(content, prefix + key).pop(key.rpartition(".")[2])


def _section(content: dict[str, Any], key: str) -> dict[str, Any]:
    """Return the mapping that holds a dotted key; an empty one if there is none."""
    for name in key.split(".")[:-1]:
        below = content.get(name)
        content = below if isinstance(below, dict) else {}
    return content
