"""What a program has started stops with it, in good order."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
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
        raise Terminated(signal.SIGTERM)
    assert process.returncode is not None
    assert (tmp_path / "ended").is_file() == ended


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_a_program_as_ctrl_c_does_and_its_workers_at_once(tmp_path: Path, number: int) -> None:
    program = """
import os, signal, time
from pathlib import Path
from fabgan.components.core.signals import Terminated, stop_on_signals
signal.signal(signal.SIGHUP, signal.SIG_DFL)  # the tests may run under nohup
stop_on_signals()
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
    os.kill(worker, error.args[0])
    print(type(error).__name__, os.waitpid(worker, 0)[1] >> 8)
"""
    process = subprocess.Popen([sys.executable, "-c", program], cwd=tmp_path, stdout=subprocess.PIPE, text=True)
    while not ((tmp_path / "started").is_file() and (tmp_path / "worker").is_file()):
        time.sleep(0.01)
    process.send_signal(number)
    said, _ = process.communicate(timeout=30)
    assert said == f"{Terminated.__name__} {128 + number}\n"
    assert not (tmp_path / "worker-unwound").is_file()


@pytest.fixture
def _handlers() -> Iterator[None]:
    before = {number: signal.getsignal(number) for number in signals.STOPPING}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("_handlers")
@pytest.mark.parametrize("number", signals.STOPPING)
def test_a_signal_waits_for_the_end_of_a_block(number: signal.Signals) -> None:
    done = []
    signal.signal(number, signal.SIG_DFL)  # the tests may run under nohup
    signals.stop_on_signals()
    with pytest.raises(Terminated) as ended:  # noqa: PT012
        with signals.undisturbed(ending=False):
            signal.raise_signal(number)
            done.append("the block")
        done.append("what follows it")
    assert done == ["the block"]
    assert ended.value.args == (number,)


@pytest.mark.usefixtures("_handlers")
def test_a_closed_terminal_does_not_end_what_nohup_started() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    signals.stop_on_signals()
    signal.raise_signal(signal.SIGHUP)
