"""How many workers there are, and how they keep memory."""

import subprocess
import sys
from pathlib import Path

import pytest

from fabgan.components.core import workers
from fabgan.components.core.workers import memory_bytes, usable_workers
from tests.conftest import ROOT

GIB = 1 << 30
FAULTS = """
import os, resource, sys
from fabgan.cli import main
if sys.argv[1:]:
    main(sys.argv[1:])
    if child := os.fork():  # as workers are started
        os._exit(os.waitpid(child, 0)[1])
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(5):
    images = [bytearray(20 << 20) for _ in range(4)]
    del images
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.parametrize("name", ["memory.max", "memory/memory.limit_in_bytes"])
@pytest.mark.parametrize(("limit", "expected"), [(GIB, 1), (3 * GIB, 2), (5 * GIB, 3), (200 * GIB, 4)])
def test_workers_follow_the_memory_limit_and_the_cores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, limit: int, expected: int
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text(f"{limit}\n")
    monkeypatch.setattr(workers, "CGROUP", tmp_path)
    monkeypatch.setattr(workers, "usable_cores", lambda: 4)
    monkeypatch.setattr("os.sysconf", lambda name: {"SC_PAGE_SIZE": 4096, "SC_PHYS_PAGES": 1 << 24}[name])
    assert usable_workers() == expected


def test_memory_without_a_limit_is_that_of_the_computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workers, "CGROUP", tmp_path)
    installed = memory_bytes()
    (tmp_path / "memory.max").write_text("max\n")
    assert memory_bytes() == installed > GIB // 4


@pytest.mark.skipif(sys.platform != "linux", reason="another C library")
def test_programs_and_their_workers_use_the_memory_of_one_image_again_for_the_next(tmp_path: Path) -> None:
    assert _faults("code", "--output", str(tmp_path / "code")) < _faults() / 4


def _faults(*command: str) -> int:
    """Return how often large arrays are given memory by the system, after a command of fabgan or without any."""
    run = [sys.executable, "-c", FAULTS, *command]
    return int(subprocess.run(run, cwd=ROOT, check=True, capture_output=True, text=True).stdout.split()[-1])
