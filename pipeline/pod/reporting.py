"""What every function does that a component calls: it prepares the process, and reports how it ends."""

import os
import sys
from collections.abc import Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from fabgan.components.core.cores import keep_to_usable_cores
from fabgan.components.core.log import start_logging
from fabgan.components.core.outcome import is_told, status_of
from fabgan.components.core.signals import stop_on_signals
from fabgan.components.core.workers import keep_freed_memory

P = ParamSpec("P")
R = TypeVar("R")
UMASK = 0o022
"""Kubeflow's launcher starts processes with umask 0, so that everyone could write to a claim's checkpoints."""
AGAIN = "start the run again"


def report_errors(function: Callable[P, R]) -> Callable[P, R]:
    """Report what a person can fix in one line of the pod's log, and exit with status 1; after signal N, 128 + N."""

    @wraps(function)
    def reporting(*arguments: P.args, **named: P.kwargs) -> R:
        os.umask(UMASK)
        start_logging()
        stop_on_signals()
        keep_to_usable_cores()
        keep_freed_memory()
        try:
            return function(*arguments, **named)
        except BaseException as error:
            if not is_told(error):
                raise
            sys.exit(status_of(error, AGAIN))

    return reporting
