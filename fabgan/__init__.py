"""fabgan: train, evaluate and register generators of semiconductor package images, on your own computers.

Importing the package loads no heavy library. A public name is loaded when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fabgan.components.artifacts.generator import Generator as Generator
    from fabgan.components.artifacts.generator import generate as generate
    from fabgan.components.artifacts.generator import load_generator as load_generator
    from fabgan.components.core.errors import UserError as UserError
    from fabgan.components.defects.dataset import DefectDataset as DefectDataset

__all__ = ["DefectDataset", "Generator", "UserError", "__version__", "generate", "load_generator"]

_MODULE_OF = {
    "DefectDataset": "fabgan.components.defects.dataset",
    "Generator": "fabgan.components.artifacts.generator",
    "UserError": "fabgan.components.core.errors",
    "generate": "fabgan.components.artifacts.generator",
    "load_generator": "fabgan.components.artifacts.generator",
}


def __getattr__(name: str) -> Any:
    """Return a public name from the module that defines it, which is imported at this point."""
    if name == "__version__":
        from importlib.metadata import version

        return version("fabgan")
    if name in _MODULE_OF:
        return getattr(import_module(_MODULE_OF[name]), name)
    raise AttributeError(f"module 'fabgan' has no attribute {name!r}")
