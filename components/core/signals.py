"""What a step does when it is told to stop."""

import os
import signal
from types import FrameType


class Terminated(KeyboardInterrupt):
    """SIGTERM: Kubernetes evicts the pod, a batch system or a shutdown stops the process."""


def stop_on_sigterm() -> None:
    """Let SIGTERM end this process as Ctrl-C does: runs in MLflow are ended, files are whole or absent.

    Worker processes that are forked later end at once.
    """
    owner = os.getpid()

    def stop(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:
            os._exit(128 + number)
        raise Terminated

    signal.signal(signal.SIGTERM, stop)
