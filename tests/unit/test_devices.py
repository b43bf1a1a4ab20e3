from pathlib import Path

import pytest
import torch

from fabgan.components.core.errors import UserError
from fabgan.components.train import devices
from fabgan.components.train.devices import training_device, uses_bfloat16


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


def test_every_process_of_a_computer_has_a_gpu_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert training_device() == torch.device("cuda", 0)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert training_device() == torch.device("cuda", 1)
    monkeypatch.setenv("LOCAL_RANK", "2")
    with pytest.raises(UserError, match="3 or more processes for 2 GPUs"):
        training_device()
