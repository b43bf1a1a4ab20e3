"""Tensors as files: safetensors, never pickle."""

from collections.abc import Mapping
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from ..core.files import atomic_file


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write named tensors, atomically. Raises OSError if the disk refuses, for example when it is full."""
    with atomic_file(path) as partial:
        try:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, partial, dict(metadata or {}))
        except SafetensorError as error:
            raise OSError(None, str(error), str(path)) from error
