"""What fabgan says while it works: one message a line on standard error, as text or as JSON."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Literal, TextIO

LogFormat = Literal["text", "json"]
LOG = logging.getLogger("fabgan")
"""Of the program as a whole."""


def logger(source: str) -> logging.Logger:
    """Return the logger of a step, or of another part that speaks under a name of its own."""
    return LOG.getChild(source)


def start_logging(log_format: LogFormat = "text") -> None:
    """Let messages go to standard error from here on; a program calls this, a library does not."""
    handler = _ToStandardError()
    handler.setFormatter(_Json() if log_format == "json" else _Text())
    LOG.handlers = [handler]
    LOG.setLevel(logging.INFO)
    LOG.propagate = False


def _source(record: logging.LogRecord) -> str:
    return record.name.removeprefix(f"{LOG.name}.")


class _ToStandardError(logging.StreamHandler[TextIO]):
    """Writes to what standard error is at the time."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        super().emit(record)


class _Text(logging.Formatter):
    """`SOURCE: message`, with the level where it is a warning or an error."""

    def format(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return f"{_source(record)}: {level}{record.getMessage()}"


class _Json(logging.Formatter):
    """One JSON object a line: time (UTC), level, source and message."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        content = {"time": time, "level": record.levelname.lower(), "source": _source(record)}
        return json.dumps(content | {"message": record.getMessage()})
