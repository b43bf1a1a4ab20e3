"""Tensors and networks as files: safetensors, never pickle."""

from collections.abc import Mapping
from pathlib import Path

from safetensors.torch import load_file, save
from torch import Tensor, nn

from ..core.errors import OtherVersionError, UserError
from ..core.files import atomic_file, sha256_of_file


def save_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write named tensors, atomically. Raises OSError if the disk refuses, for example when it is full."""
    with atomic_file(path) as partial:
        # Not by save_file, whose own temporary file stays if it is killed, and can be read by nobody else.
        whole = {name: tensor.contiguous() for name, tensor in tensors.items()}
        partial.write_bytes(save(whole, dict(metadata or {})))


def check_weights(weights: Path, sha256: object, card: str) -> None:
    """Raise UserError if a file of weights is missing, or is not the one with the digest that a card holds."""
    if not weights.is_file() or sha256_of_file(weights) != sha256:
        raise UserError(f"{weights}: missing, or different from the weights that {card} describes (sha256 differs)")


def load_weights(network: nn.Module, weights: Path) -> None:
    """Fill a network with the weights of a file. Raises OtherVersionError if they are those of another network."""
    try:
        network.load_state_dict(load_file(weights))
    except RuntimeError as error:
        message = f"{weights}: this version of fabgan does not build these networks; use the version that wrote them"
        raise OtherVersionError(message) from error
