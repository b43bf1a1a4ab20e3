"""Edit a params.yaml in place: only the text of what changes is replaced, so comments and formats stay as they are."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node

from fabgan.components.core.errors import UserError
from fabgan.components.core.files import atomic_file
from fabgan.components.core.parameters import load_yaml


@dataclass
class ParamsFile:
    """The text of a params.yaml, and the changes to it. Keys are dotted names."""

    path: Path
    text: str
    root: MappingNode

    @classmethod
    def read(cls, path: Path) -> "ParamsFile":
        """Return the file. Raises UserError for a file that cannot be read, or is no mapping."""
        load_yaml(path)
        text = path.read_bytes().decode()
        return cls(path, text, _composed(text))

    def keys(self, key: str) -> list[str]:
        """Return the keys of the mapping at `key`; none if there is no mapping."""
        found = self._find(key)
        return [name.value for name, _ in found[1].value] if found and isinstance(found[1], MappingNode) else []

    def holds(self, key: str) -> bool:
        """Say whether the file has this key."""
        return self._find(key) is not None

    def value(self, key: str) -> Any:
        """Return the value at a key that the file has."""
        return yaml.safe_load(self._source(self._pair(key)[1]))

    def set(self, key: str, source: str) -> None:
        """Give a key the value that `source` is in YAML, in one line; the section is added where it is missing."""
        found = self._find(key)
        if found is not None:
            self._replace(found[1], source)
            return
        above, _, name = key.rpartition(".")
        section = self._find(above) if above else (None, self.root)
        if section is None:
            self.set(above, f"{{{name}: {source}}}")
        elif isinstance(section[1], MappingNode):
            self._add(section[1], name, source)
        else:
            self._replace(section[1], f"{{{name}: {source}}}")

    def rename(self, key: str, new: str) -> None:
        """Give a key another name."""
        self._replace(self._pair(key)[0], new)

    def remove(self, key: str) -> None:
        """Take a key, its value and the comment behind it out."""
        name, value = self._pair(key)
        above = self._above(key)
        place = next(number for number, (one, _) in enumerate(above.value) if one is name)
        if len(above.value) == 1:
            self._replace(above, "{}")
        elif above.flow_style and place + 1 < len(above.value):
            self.splice(_start(name), _start(above.value[place + 1][0]), "")
        elif above.flow_style:
            self.splice(_end(above.value[place - 1][1]), _end(value), "")
        else:
            start = self.text.rfind("\n", 0, _start(name)) + 1
            self.splice(start, self._next_line(_end(value)), "")

    def source(self, key: str) -> str:
        """Return the value of a key as the file writes it."""
        return self._source(self._pair(key)[1])

    def splice(self, start: int, end: int, new: str) -> None:
        """Replace a piece of the text. Raises UserError where no YAML comes of it."""
        self.text = self.text[:start] + new + self.text[end:]
        try:
            self.root = _composed(self.text)
        except yaml.YAMLError as error:
            raise self._too_difficult() from error

    def write(self, expected: Any) -> None:
        """Write the file. Raises UserError, and writes nothing, unless it holds what is `expected`."""
        if yaml.safe_load(self.text) != expected:
            raise self._too_difficult()
        with atomic_file(self.path.resolve()) as partial:  # several projects may have links to one file
            partial.write_bytes(self.text.encode())

    def _too_difficult(self) -> UserError:
        return UserError(f"{self.path}: this command cannot follow its anchors, aliases or form; edit it by hand")

    def _find(self, key: str) -> tuple[Node, Node] | None:
        found: tuple[Node, Node] | None = (self.root, self.root)
        for name in key.split("."):
            above = found[1] if found else None
            pairs = above.value if isinstance(above, MappingNode) else []
            found = next((pair for pair in reversed(pairs) if pair[0].value == name), None)
        return found

    def _pair(self, key: str) -> tuple[Node, Node]:
        found = self._find(key)
        if found is None:
            raise KeyError(key)
        return found

    def _above(self, key: str) -> MappingNode:
        above = key.rpartition(".")[0]
        node = self._pair(above)[1] if above else self.root
        if not isinstance(node, MappingNode):
            raise KeyError(key)
        return node

    def _source(self, node: Node) -> str:
        return self.text[_start(node) : _end(node)]

    def _replace(self, node: Node, new: str) -> None:
        self.splice(_start(node), _end(node), new if _start(node) < _end(node) else f" {new}")

    def _add(self, section: MappingNode, name: str, source: str) -> None:
        last = section.value[-1][1] if section.value else None
        if section.flow_style or last is None:
            where = _end(section) - 1
            self.splice(where, where, f"{', ' if last else ''}{name}: {source}")
            return
        indent = " " * section.value[0][0].start_mark.column
        where = self._line_end(_end(last))
        self.splice(where, where, f"\n{indent}{name}: {source}")

    def _line_end(self, place: int) -> int:
        end = self.text.find("\n", place)
        end = len(self.text) if end < 0 else end
        return end - 1 if self.text[end - 1 : end] == "\r" else end

    def _next_line(self, place: int) -> int:
        end = self.text.find("\n", place)
        return len(self.text) if end < 0 else end + 1


def _composed(text: str) -> MappingNode:
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    if not isinstance(root, MappingNode):
        raise yaml.YAMLError("not a mapping")
    return root


def _start(node: Node) -> int:
    return int(node.start_mark.index)


def _end(node: Node) -> int:
    """Return where a node's own text ends: the mark of a block lies behind the comments that follow it."""
    if isinstance(node, CollectionNode) and not node.flow_style and node.value:
        last = node.value[-1]
        return _end(last[1] if isinstance(last, tuple) else last)
    return int(node.end_mark.index)
