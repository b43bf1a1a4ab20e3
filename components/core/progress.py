"""Progress of long work: a bar on a terminal, or a line every ten seconds in a log."""

import os
import sys
import time

from .log import CLEAR_LINE, logger

LOG_INTERVAL_S = 10.0
BAR_INTERVAL_S = 0.2
BAR_WIDTH = 30
USUAL_COLUMNS = 80
"""Width of a terminal that does not tell its own. A longer line would be broken, and only its end replaced."""


class Progress:
    """Counts `total` items of a `unit`, and reports the count, the rate and the time left on standard error."""

    def __init__(self, what: str, total: int, unit: str, done: int = 0) -> None:
        self.what, self.total, self.unit = what, total, unit
        self.done = self.done_at_start = done
        self.started_s = self.reported_s = time.monotonic()
        self.on_terminal = sys.stderr.isatty()

    def advance(self, count: int, note: str = "") -> None:
        """Count `count` more items; `note` is shown after the figures."""
        self.done += count
        now_s = time.monotonic()
        interval_s = BAR_INTERVAL_S if self.on_terminal else LOG_INTERVAL_S
        if now_s - self.reported_s >= interval_s or self.done >= self.total:
            self.reported_s = now_s
            self._report(f"{self._figures(now_s)}{'  ' + note if note else ''}")

    def _figures(self, now_s: float) -> str:
        rate = (self.done - self.done_at_start) / max(now_s - self.started_s, 1e-9)
        left_s = (self.total - self.done) / max(rate, 1e-9)
        minutes, seconds = divmod(round(left_s), 60)
        return f"{self.done}/{self.total} {self.unit}, {rate:.1f}/s, {minutes}:{seconds:02d} left"

    def _report(self, figures: str) -> None:
        if not self.on_terminal:
            logger(self.what).info(figures)
            return
        filled = BAR_WIDTH * self.done // max(self.total, 1)
        bar = "#" * filled + "." * (BAR_WIDTH - filled)
        end = "\n" if self.done >= self.total else ""
        fits = (os.get_terminal_size(sys.stderr.fileno()).columns or USUAL_COLUMNS) - 1
        sys.stderr.write(CLEAR_LINE + f"{self.what} [{bar}] {figures}"[:fits] + end)
        sys.stderr.flush()
