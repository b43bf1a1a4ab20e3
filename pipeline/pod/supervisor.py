"""The supervisor of a pod: it runs the work in a process of its own, and starts it again if something killed it.

A step continues where it was: training at its last checkpoint, the others with what is finished. Kubeflow starts a pod
again that was deleted, but not one whose process was killed. The supervisor loads no library of a step. So if memory
runs out, Linux kills the process and not its supervisor.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from fabgan.components.core.errors import UserError
from fabgan.components.core.files import read_json, write_json
from fabgan.components.core.log import logger
from fabgan.components.core.signals import stopped_with_us
from fabgan.components.train.torchrun import environment, torchrun

PROCESS = "fabgan.pipeline.pod.process"
RESTARTS = 3
"""How often the killed process of a step is started again. A step that needs too much memory is killed each time."""
ON_PURPOSE = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
"""Signals that ask a process to end. Whoever sends them does not want it back."""


def supervised(step: str, arguments: Mapping[str, Any], processes: int = 1) -> dict[str, Any]:
    """Do the work of a step in one process, or in several that train together; return what it found: its metrics.

    If the work fails, its message is in the log, and this process exits with the same status. Raises UserError if it
    was killed too often.
    """
    with tempfile.TemporaryDirectory() as folder:
        request, found = Path(folder) / "request.json", Path(folder) / "found.json"
        write_json(request, {"step": step, "arguments": dict(arguments), "found": str(found)})
        command = [sys.executable, *torchrun(processes), "-m", PROCESS, str(request)]
        status = run_to_its_end(step, command, environment(processes))
        if status != 0:
            sys.exit(status)
        return dict(read_json(found))


def run_to_its_end(step: str, command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run a command until it ends by itself or on purpose; return its exit status, 128 + N after signal N.

    Raises UserError if it was killed more than RESTARTS times.
    """
    for start in range(RESTARTS + 1):
        status = _run(command, variables)
        if status - 128 in ON_PURPOSE or status - 128 not in {*signal.Signals}:
            return status
        killer = signal.Signals(status - 128).name
        if start < RESTARTS:
            logger(step).warning("killed by %s; started again (%d of %d)", killer, start + 1, RESTARTS)
    raise UserError(
        f"{step}: killed by {killer} {RESTARTS + 1} times; if memory ran out, start a new run with a larger pod_size"
    )


def _run(command: Sequence[str], variables: Mapping[str, str]) -> int:
    """Run a command in a session of its own, pass SIGTERM on to it, and return its exit status as shells do."""
    with subprocess.Popen(command, env=variables, start_new_session=True) as process, stopped_with_us(process):  # noqa: S603
        status = process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)  # its own workers would wait for it for ever
    return 128 - status if status < 0 else status
