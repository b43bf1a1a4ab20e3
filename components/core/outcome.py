"""How a program tells a person what ended it: one line, and an exit status."""

import signal

from .errors import UserError
from .log import LOG
from .signals import Terminated

TOLD = (UserError, OSError, MemoryError, KeyboardInterrupt)
"""What is told in one line. Any other exception is a mistake in the program, and its traceback is wanted."""
SIGNALLED = 128
"""What shells add to the number of the signal that ended a program."""


def status_of(error: UserError | OSError | MemoryError | KeyboardInterrupt, again: str) -> int:
    """Log an error or a signal in one line, and return the exit status: 1, or 128 + N after signal N.

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
        case MemoryError():
            LOG.error("%s; end other programs or raise the limit, and %s", str(error) or "not enough memory", again)
        case _:
            LOG.error(error)
    return 1
