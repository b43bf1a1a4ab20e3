"""How a step ends when it gets SIGTERM."""

import os
import signal
from types import FrameType


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
