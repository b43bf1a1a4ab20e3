"""What this computer offers: a GPU or a CPU for training, and bfloat16 arithmetic if its hardware has it."""

import os
from pathlib import Path

import torch

from ..core.errors import UserError
from .parameters import Precision

CPUINFO = Path("/proc/cpuinfo")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def training_device() -> torch.device:
    """Return the GPU with this process's number on this computer, or the CPU if there is no GPU.

    Without torchrun, it is the first GPU. Raises UserError if torchrun has started more processes than there are GPUs.
    """
    if not torch.cuda.is_available():
        return torch.device("cpu")
    number, gpus = int(os.environ.get("LOCAL_RANK", 0)), torch.cuda.device_count()
    if number >= gpus:
        raise UserError(f"torchrun --nproc-per-node: {number + 1} or more processes for {gpus} GPUs; start one per GPU")
    return torch.device("cuda", number)


def uses_bfloat16(precision: Precision) -> bool:
    """Return whether convolutions run in bfloat16. For `auto`, that is whether the hardware computes in it."""
    if precision != "auto":
        return precision == "bfloat16"
    if training_device().type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    words = set(CPUINFO.read_text(encoding="utf-8").split()) if CPUINFO.is_file() else set()
    return bool(words & BFLOAT16_FLAGS)
