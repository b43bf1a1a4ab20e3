from pathlib import Path

import pytest
import torch

from components import devices
from components.devices import uses_bfloat16


def test_a_named_precision_is_what_is_used() -> None:
    assert uses_bfloat16("bfloat16")
    assert not uses_bfloat16("float32")


@pytest.mark.parametrize(
    ("flags", "expected"), [("fma avx512f avx512_bf16 avx", True), ("fma avx512f bf16x", False), ("", False)]
)
def test_auto_follows_the_processor(
    flags: str, expected: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor : 0\nflags : {flags}\n")
    monkeypatch.setattr(devices, "CPUINFO", cpuinfo)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert uses_bfloat16("auto") is expected
