"""How a step ends when it gets SIGTERM."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

GRACE_S = 30.0
"""How long a child process may take to stop: it ends its run in MLflow."""


class Terminated(KeyboardInterrupt):
    """SIGTERM arrived: Kubernetes evicts the pod, or a batch system or a shutdown stops the process."""


def stop_on_sigterm() -> None:
    """Make SIGTERM end this process as Ctrl-C does: runs in MLflow are ended, and files are whole or absent.

    Worker processes that are forked later end at once.
    """
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:
            os._exit(128 + number)
        raise Terminated

    signal.signal(signal.SIGTERM, stop)


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
