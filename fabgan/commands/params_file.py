"""Edit a params.yaml in place, keeping its comments, quotes and number formats."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fabgan.components.core.files import atomic_file
from fabgan.components.core.parameters import load_yaml


@contextmanager
def edited(path: Path) -> Iterator[Any]:
    """Yield the content of a params.yaml for the block to change; write it if the block raises nothing.

    Raises UserError for a file that cannot be read.
    """
    from ruamel.yaml import YAML

    load_yaml(path)
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    content = yaml.load(path)
    yield content
    with atomic_file(path) as partial:
        yaml.dump(content, partial)
