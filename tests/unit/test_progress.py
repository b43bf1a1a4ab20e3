"""The bar on a terminal: a line that is replaced, and that messages do not stick to."""

import os
import pty
import termios
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr

from fabgan.components.core.log import CLEAR_LINE, logger, start_logging
from fabgan.components.core.progress import BAR_WIDTH, Progress

COLUMNS = 60
END = "\0"
"""Written after what is to be read: a terminal passes characters on in order, but not at once."""


@contextmanager
def terminal() -> Iterator[Callable[[], str]]:
    """Let standard error be a terminal; yield what returns the characters that it got since the last call."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(ours, (24, COLUMNS))
    with (
        os.fdopen(ours, "rb", buffering=0) as screen,
        os.fdopen(theirs, "w", encoding="utf-8") as stream,
        redirect_stderr(stream),
    ):
        start_logging()

        def shown() -> str:
            stream.write(END)
            stream.flush()
            text = ""
            while not text.endswith(END):
                text += screen.read(10_000).decode()
            return text.removesuffix(END)

        yield shown


def begun() -> Progress:
    """Return work of which half is done, with its bar on the terminal."""
    progress = Progress("train", 4, "images")
    progress.reported_s -= 1
    progress.advance(2, note="G 1.234, D 0.567, E 0.0123, and further losses")
    return progress


def test_a_bar_fits_into_a_narrow_terminal() -> None:
    with terminal() as shown:
        progress = begun()
        line = shown().removeprefix(CLEAR_LINE)
        assert len(line) == COLUMNS - 1
        assert line.startswith(f"train [{'#' * (BAR_WIDTH // 2)}{'.' * (BAR_WIDTH // 2)}] 2/4 images")
        progress.advance(2)
        assert shown().endswith("\r\n")


def test_a_message_takes_the_line_of_an_open_bar() -> None:
    with terminal() as shown:
        begun()
        shown()
        logger("train").warning("slow")
        assert shown() == f"{CLEAR_LINE}train: warning: slow\r\n"
