"""How a program tells a person what ended it: one line, and an exit status."""

import signal

from .errors import UserError, is_of_memory
from .log import LOG
from .signals import Terminated

SIGNALLED = 128
"""What shells add to the number of the signal that ended a program."""


def is_told(error: BaseException) -> bool:
    """Return whether an exception is told in one line. Of others, mistakes in the program, the traceback is wanted."""
    return isinstance(error, UserError | OSError | KeyboardInterrupt) or is_of_memory(error)


def status_of(error: BaseException, again: str) -> int:
    """Log an exception that `is_told` in one line, and return the exit status: 1, or 128 + N after signal N.

    `again` says how to go on.
    """
    match error:
        case Terminated():
            LOG.warning("terminated; %s", again)
            return SIGNALLED + int(error.args[0])
        case KeyboardInterrupt():
            LOG.warning("interrupted; %s", again)
            return SIGNALLED + signal.SIGINT
        case OSError():
            where = f"{error.filename}: " if error.filename else ""
            reason = error.strerror or ", ".join(map(str, error.args))  # an OSError of a library has no strerror
            LOG.error("%s%s; fix this and %s", where, reason, again)
        case UserError():
            LOG.error(error)
        case _:
            reason = f" ({error})" if str(error) else ""
            LOG.error("not enough memory%s; end other programs or raise the limit, and %s", reason, again)
    return 1
