"""How a step ends when it gets SIGTERM, or SIGHUP because its terminal or its ssh session was closed."""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

GRACE_S = 30.0
"""How long a child process may take to stop: it ends its run in MLflow."""
PR_SET_PDEATHSIG = 1
STOPPING = (signal.SIGTERM, signal.SIGHUP)


class Terminated(KeyboardInterrupt):
    """A signal arrived, whose number is the argument.

    Kubernetes evicts the pod, a batch system or a shutdown stops the process, or its terminal was closed.
    """


def stop_on_signals() -> None:
    """Make SIGTERM and SIGHUP end this process as Ctrl-C does: runs in MLflow are ended, and files are whole or absent.

    Worker processes that are forked later end at once. A second signal does not disturb the end. Under nohup, SIGHUP
    stays ignored.
    """
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:
            os._exit(128 + number)
        for one in STOPPING:
            signal.signal(one, signal.SIG_IGN)
        raise Terminated(number)

    signal.signal(signal.SIGTERM, stop)
    if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        signal.signal(signal.SIGHUP, stop)


@contextmanager
def undisturbed(ending: bool) -> Iterator[None]:
    """Let signals wait until the block is done.

    If the work is `ending` with an exception anyway, SIGTERM and SIGHUP are dropped, and Ctrl-C still ends it at once.
    Python runs signal handlers in the main thread only, so elsewhere there is nothing to hold back.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    held = STOPPING if ending else (*STOPPING, signal.SIGINT)
    waiting: list[int] = []
    before = {one: signal.signal(one, lambda number, frame: waiting.append(number)) for one in held}
    try:
        yield
    finally:
        for one, handler in before.items():
            signal.signal(one, handler)
    if waiting and not ending:
        signal.raise_signal(waiting[0])


def end_with_parent(number: signal.Signals) -> None:
    """Let Linux send this signal to this process when the process that started it has died."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, number)


@contextmanager
def stopped_with_us(process: "subprocess.Popen[Any]") -> Iterator[None]:
    """Stop a child process if the block raises, as it does at SIGTERM: politely first, and then by force."""
    try:
        yield
    except BaseException:
        process.terminate()
        try:
            process.wait(GRACE_S)
        except subprocess.TimeoutExpired:
            process.kill()
        raise
