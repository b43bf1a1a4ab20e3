"""Log messages on standard error: one message per line, as text or as JSON."""

import json
import logging
import sys
from datetime import UTC, datetime
from pathlib import PurePath
from typing import Literal, TextIO

LogFormat = Literal["text", "json"]
LOG = logging.getLogger("fabgan")
"""The logger of the whole program."""

CONTROLS = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160)) if chr(code) not in "\n\t"}
"""Control characters, which names of files may have, and which terminals would obey."""
CLEAR_LINE = "\r\x1b[K"
"""What lets a terminal replace the line that it is in, which may be a bar of progress."""
LINE_BREAK = {ord("\n"): "\\n"}


def logger(source: str) -> logging.Logger:
    """Return the logger of a step, or of another part with a name of its own."""
    return LOG.getChild(source)


def start_logging(log_format: LogFormat = "text") -> None:
    """Send messages to standard error from this call on. Programs call this, libraries do not."""
    handler = _ToStandardError()
    handler.setFormatter(_Json() if log_format == "json" else _Text())
    LOG.handlers = [handler]
    LOG.setLevel(logging.INFO)
    LOG.propagate = False


def _source(record: logging.LogRecord) -> str:
    return record.name.removeprefix(f"{LOG.name}.")


class _ToStandardError(logging.StreamHandler[TextIO]):
    """Writes to the current `sys.stderr`, which may be replaced after the logging starts."""

    def emit(self, record: logging.LogRecord) -> None:
        self.stream = sys.stderr
        if self.stream.isatty():
            self.stream.write(CLEAR_LINE)
        super().emit(record)


class _Text(logging.Formatter):
    """`SOURCE: message`, with the level of warnings and errors."""

    def format(self, record: logging.LogRecord) -> str:
        level = f"{record.levelname.lower()}: " if record.levelno >= logging.WARNING else ""
        return f"{_source(record)}: {level}{_words(record).translate(CONTROLS)}"


def _words(record: logging.LogRecord) -> str:
    """Return a message in which no name of a file can begin a line, as if it were another message.

    Line breaks in arguments are escaped. What follows a line break of the message itself is indented.
    """
    given = record.args if isinstance(record.args, tuple) else ()
    shown = tuple(_in_one_line(one) for one in given)
    message = str(record.msg) % shown if shown else record.getMessage()
    return message.replace("\n", "\n  ")


def _in_one_line(value: object) -> object:
    return str(value).translate(LINE_BREAK) if isinstance(value, str | PurePath | Exception) else value


class _Json(logging.Formatter):
    """One JSON object per line: time (UTC), level, source and message."""

    def format(self, record: logging.LogRecord) -> str:
        time = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")
        content = {"time": time, "level": record.levelname.lower(), "source": _source(record)}
        return json.dumps(content | {"message": record.getMessage()})
