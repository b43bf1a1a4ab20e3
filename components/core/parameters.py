"""Parameters: one section of `params.yaml` per step, loaded into frozen, typed dataclasses.

Unknown keys, missing keys, wrong types and impossible values are refused with the dotted name of the key. Two quirks of
other tools are corrected: Kubeflow turns whole numbers inside dicts into floats (7 arrives as 7.0), and PyYAML reads
`2e-4` as a string.
"""

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, TypeVar, cast, dataclass_transform, get_args, get_type_hints

import yaml
from pydantic import AfterValidator, BeforeValidator, ConfigDict, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

from .errors import UserError
from .network import SHOWN, holds_secret

T = TypeVar("T")


@dataclass_transform(frozen_default=True)
def parameters(cls: type[T]) -> type[T]:
    """Make a frozen dataclass that refuses unknown keys, wrong types and impossible values."""
    return cast("type[T]", pydantic_dataclass(frozen=True, config=ConfigDict(extra="forbid"))(cls))


def _whole_number(minimum: int, expected: str) -> BeforeValidator:
    def check(value: object) -> int:
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool) or not minimum <= value < 2**63:
            raise ValueError(f"expected {expected}")
        return value

    return BeforeValidator(check)


def _number(allowed: Callable[[float], bool], expected: str) -> BeforeValidator:
    def check(value: object) -> float:
        try:
            number = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            number = math.nan
        if not (math.isfinite(number) and allowed(number)):
            raise ValueError(f"expected {expected}")
        return number

    return BeforeValidator(check)


def _address(value: str) -> str:
    if holds_secret(value):
        raise ValueError(
            f"{SHOWN}; remove it, and use AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY for a bucket, and git's own "
            "store of credentials for a repository"
        )
    return value


PositiveInt = Annotated[int, _whole_number(1, "a positive int")]
SeveralInt = Annotated[int, _whole_number(2, "an int of 2 or more")]
NonNegativeInt = Annotated[int, _whole_number(0, "an int of 0 or more")]
PositiveFloat = Annotated[float, _number(lambda x: x > 0, "a positive number")]
NonNegativeFloat = Annotated[float, _number(lambda x: x >= 0, "a number of 0 or more")]
Share = Annotated[float, _number(lambda x: 0 <= x <= 1, "a share between 0 and 1")]
Address = Annotated[str, AfterValidator(_address)]
"""A path or an address. It is recorded and shown, and so must not hold a secret."""

TEXT_TAG = yaml.resolver.BaseResolver.DEFAULT_SCALAR_TAG
"""What YAML calls a key that is a text."""
_REFUSED = r"""/:@?'"\x00-\x1f\x7f-\x9f"""
MODEL_NAME = rf"[ .]*[^ .{_REFUSED}][^{_REFUSED}]*"
"""Pattern of the name of a registered model. Others are refused by MLflow, or could not stand in its addresses."""
MODEL_NAME_RULE = "a name, not only of dots, without / : @ ? quotation marks and control characters"


class UniqueKeys(yaml.composer.Composer):
    """Refuses repeated keys in place of PyYAML, which keeps the last value of each."""

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        """Return a mapping as it is written, before others are merged into it. Raises YAMLError for a repeated key."""
        node = super().compose_mapping_node(anchor)
        names: dict[str, yaml.Node] = {}
        for key, _ in node.value:
            if key.tag == TEXT_TAG and names.setdefault(key.value, key) is not key:
                raise yaml.YAMLError(f"the key {key.value} is given twice, {_lines(names[key.value], key)}")
        return node


class _Loader(UniqueKeys, yaml.SafeLoader):
    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """Return a value. Raises YAMLError, with the line, for a date that does not exist and the like."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, LookupError, AttributeError) as error:
            raise yaml.YAMLError(f"not a value, {_lines(node)}: {error}") from error


def _lines(*nodes: yaml.Node) -> str:
    return " and ".join(f"line {node.start_mark.line + 1}" for node in nodes)


def load_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping that a YAML file holds. Raises UserError for any other content."""
    try:
        with path.open(encoding="utf-8") as file:
            content = yaml.load(file, _Loader)  # noqa: S506 (as a SafeLoader)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise UserError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from error
    if not isinstance(content, dict):
        raise UserError(f"{path}: expected a mapping of keys to values")
    return content


def parse(cls: type[T], content: object, where: str, prefix: str = "") -> T:
    """Return `content` as a `cls`. Raises UserError with `where` and every wrong key.

    `where` is the file, and `prefix` the dotted name of the mapping inside it.
    """
    try:
        return TypeAdapter(cls).validate_python(content)
    except ValidationError as error:
        lines = (_explain(cls, detail, prefix) for detail in error.errors())
        raise UserError(f"{where}: {'; '.join(lines)}") from error


def _explain(cls: type, detail: Any, prefix: str) -> str:
    key = ".".join(str(part) for part in (*filter(None, [prefix]), *detail["loc"]))
    if detail["type"] == "missing":
        return f"{key}: missing"
    if detail["type"] == "unexpected_keyword_argument":
        known = ", ".join(field.name for field in fields(_section(cls, detail["loc"][:-1])))
        return f"{key}: unknown key (known here: {known})"
    reason = detail["msg"].removeprefix("Value error, ")
    reason = reason[0].lower() + reason[1:]
    if isinstance(detail["input"], Mapping) or not detail["loc"] or holds_secret(str(detail["input"])):
        return f"{key}: {reason}" if key else reason
    return f"{key}: {reason}, got {detail['input']!r}"


def _section(cls: Any, path: tuple[str | int, ...]) -> Any:
    """Return the dataclass at a path below `cls`; a path consists of keys, and of positions in lists and dicts."""
    for part in path:
        cls = get_type_hints(cls)[str(part)] if is_dataclass(cls) else get_args(cls)[-1]
    return cls


def digest(content: object) -> str:
    """Return the SHA-256 of a JSON-like value. It does not depend on the order of keys."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
