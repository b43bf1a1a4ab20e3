"""What a program has started stops with it, in good order."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from fabgan.components.core import signals
from fabgan.components.core.signals import Terminated, stopped_with_us

POLITE = "trap 'echo ended > ended; exit 0' TERM; echo started > started; while true; do sleep 0.05; done"
STUBBORN = "trap '' TERM; echo started > started; while true; do sleep 0.05; done"


@pytest.mark.parametrize(("script", "ended"), [(POLITE, True), (STUBBORN, False)], ids=["polite", "stubborn"])
def test_a_child_ends_before_the_program_does(
    script: str, ended: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signals, "GRACE_S", 1.0)
    process = subprocess.Popen(["bash", "-c", script], cwd=tmp_path)
    while not (tmp_path / "started").is_file():
        time.sleep(0.01)
    with pytest.raises(Terminated), process, stopped_with_us(process):
        raise Terminated
    assert process.returncode is not None
    assert (tmp_path / "ended").is_file() == ended


def test_sigterm_ends_a_program_as_ctrl_c_does_and_its_workers_at_once(tmp_path: Path) -> None:
    program = """
import os, time
from pathlib import Path
from fabgan.components.core.signals import Terminated, stop_on_sigterm
stop_on_sigterm()
worker = os.fork()
if not worker:
    try:
        Path("worker").write_text(str(os.getpid()))
        time.sleep(60)
    except BaseException:
        Path("worker-unwound").write_text("")
        raise
try:
    Path("started").write_text("")
    time.sleep(60)
except KeyboardInterrupt as error:
    os.kill(worker, 15)
    print(type(error).__name__, os.waitpid(worker, 0)[1] >> 8)
"""
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    while not ((tmp_path / "started").is_file() and (tmp_path / "worker").is_file()):
        time.sleep(0.01)
    process.send_signal(signal.SIGTERM)
    said, _ = process.communicate(timeout=30)
    assert said == f"{Terminated.__name__} {128 + signal.SIGTERM}\n"
    assert not (tmp_path / "worker-unwound").is_file()


def test_sigterm_waits_for_the_end_of_a_block() -> None:
    done = []
    with pytest.raises(Terminated):  # noqa: PT012
        before = signal.getsignal(signal.SIGTERM)
        try:
            signals.stop_on_sigterm()
            with signals.undisturbed(ending=False):
                signal.raise_signal(signal.SIGTERM)
                done.append("the block")
            done.append("what follows it")
        finally:
            signal.signal(signal.SIGTERM, before)
    assert done == ["the block"]
