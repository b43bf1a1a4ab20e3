"""The cores that a process keeps busy are those that its container is allowed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fabgan import cli
from fabgan.commands import preset
from fabgan.components.core import cores
from fabgan.components.train import torchrun
from fabgan.pipeline.pod.reporting import report_errors
from tests.conftest import ROOT

OWN = len(os.sched_getaffinity(0))


def group(folder: Path, version: int, quota: str) -> None:
    if version == 2:
        (folder / "cpu.max").write_text(f"{quota} 100000\n")
        return
    (folder / "cpu").mkdir()
    (folder / "cpu" / "cpu.cfs_quota_us").write_text(f"{quota}\n")
    (folder / "cpu" / "cpu.cfs_period_us").write_text("100000\n")


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "CGROUP", tmp_path)
    monkeypatch.setattr(os, "environ", {})


@pytest.mark.parametrize(
    ("version", "quota", "expected"),
    [
        (2, "100000", 1),
        (2, "150000", 1),
        (2, "20000", 1),
        (2, "99900000", OWN),
        (2, "max", OWN),
        (1, "100000", 1),
        (1, "-1", OWN),
    ],
)
def test_no_more_cores_are_used_than_the_control_group_allows(
    tmp_path: Path, version: int, quota: str, expected: int
) -> None:
    group(tmp_path, version, quota)
    assert cores.usable_cores() == expected


def test_without_a_control_group_all_cores_are_used() -> None:
    assert cores.usable_cores() == OWN


def test_threads_are_limited_where_there_is_a_quota_and_nothing_else_is_asked_for(tmp_path: Path) -> None:
    cores.keep_to_usable_cores()
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    assert "OMP_NUM_THREADS" not in os.environ
    group(tmp_path, 2, "100000")
    cores.keep_to_usable_cores()
    assert os.environ["OMP_NUM_THREADS"] == "1"
    os.environ["OMP_NUM_THREADS"] = "3"
    cores.keep_to_usable_cores()
    assert os.environ["OMP_NUM_THREADS"] == "3"


def test_steps_keep_to_their_cores_before_they_import_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    group(tmp_path, 2, "100000")

    def threads(*_: object) -> str:
        return os.environ.pop("OMP_NUM_THREADS", "all")

    assert report_errors(threads)() == "1"
    found = list[str]()
    monkeypatch.setattr(preset, "apply_preset", lambda *_: found.append(threads()))
    assert cli.main(["preset", "demo"]) == 0
    assert found == ["1"]
    program = "import sys, fabgan.cli, fabgan.pipeline.pod.run; assert not {'torch', 'cv2'} & sys.modules.keys()"
    subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True)


@pytest.mark.parametrize(
    ("asked", "expected"),
    [(None, "3"), ("2", "2"), ("8", "3"), ("2,4", "2"), (" 4 ,2", "3"), ("", "3"), ("many", "3")],
)
def test_processes_that_train_together_share_the_cores(
    monkeypatch: pytest.MonkeyPatch, asked: str | None, expected: str
) -> None:
    os.environ.update({} if asked is None else {"OMP_NUM_THREADS": asked})
    monkeypatch.setattr(torchrun, "usable_cores", lambda: 6)
    assert torchrun.environment(2)["OMP_NUM_THREADS"] == expected
    assert torchrun.environment(1) == os.environ
