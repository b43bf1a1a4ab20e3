"""A params.yaml, edited in place: its comments, quotes and number formats stay as they are."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fabgan.components.core.files import atomic_file
from fabgan.components.core.parameters import load_yaml


@contextmanager
def edited(path: Path) -> Iterator[Any]:
    """Yield what a params.yaml holds, to be changed; it is written when the block ends well.

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
