"""Names of processes, by which another process of the same computer can tell whether they are still there."""

import os
import socket
from pathlib import Path


def this_process() -> str:
    """Return the name of this process. No other process has the same name, then or later."""
    return f"{_place()}/{os.getpid()}/{_start_of(os.getpid())}"


def is_gone(process: str) -> bool:
    """Say whether a process is known to have ended. That is never known of a process elsewhere, or of another text."""
    where, _, start = process.rpartition("/")
    place, _, number = where.rpartition("/")
    return place == _place() and _start_of(number) != start


def _place() -> str:
    """Return what the processes have in common that see each other: the computer since its start, and the container."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return f"{socket.gethostname()}/{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"


def _start_of(number: int | str) -> str:
    """Return when a process started, in clock ticks, or nothing if it has ended. Its number may be used again."""
    try:
        fields = Path(f"/proc/{number}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except OSError:
        return ""
    state, start = fields[0], fields[19]
    return "" if state in "ZX" else start
