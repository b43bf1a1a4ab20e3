"""What the computer at hand offers: the GPU where there is one, and arithmetic in bfloat16 where it is in hardware."""

from pathlib import Path
from typing import Literal

import torch

Precision = Literal["auto", "float32", "bfloat16"]
CPUINFO = Path("/proc/cpuinfo")
BFLOAT16_FLAGS = {"avx512_bf16", "amx_bf16", "bf16"}


def training_device() -> torch.device:
    """Return the GPU that torch sees first, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def uses_bfloat16(precision: Precision) -> bool:
    """Return whether convolutions run in bfloat16; `auto` where this computer's hardware does."""
    if precision != "auto":
        return precision == "bfloat16"
    if training_device().type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    words = set(CPUINFO.read_text(encoding="utf-8").split()) if CPUINFO.is_file() else set()
    return bool(words & BFLOAT16_FLAGS)
