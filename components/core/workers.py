"""How many worker processes fit into the cores and the memory, and how a process keeps its memory."""

import ctypes
import os

from .cores import CGROUP, usable_cores

WORKER_BYTES = 3 << 29
"""Memory that is set aside for a worker: the pixels of a photograph of 200 megapixels take 0.6 GB, and their copies."""
M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""Options of mallopt, from malloc.h of the GNU C library."""
KEPT_BYTES = 256 << 20
LARGEST_KEPT_BYTES = 32 << 20
"""The largest value that mallopt takes for M_MMAP_THRESHOLD."""


def usable_workers() -> int:
    """Return the number of worker processes that the cores and the memory of this process allow, at least one."""
    return max(min(usable_cores(), memory_bytes() // WORKER_BYTES), 1)


def memory_bytes() -> int:
    """Return the memory of the computer, or the limit of the container if that is lower."""
    installed = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for file in (CGROUP / "memory.max", CGROUP / "memory" / "memory.limit_in_bytes"):
        if file.is_file():
            limit = file.read_text(encoding="ascii").strip()
            return installed if limit == "max" else min(installed, int(limit))
    return installed


def keep_freed_memory() -> None:
    """Let this process, and those that it forks from now on, use the memory of one array again for the next one.

    Otherwise the C library returns the memory of each large array to the system, which clears it page by page when it
    is taken again. Arrays above `LARGEST_KEPT_BYTES` are still returned: kept, they would leave gaps that nothing else
    fills, and a training step at 4096 px would take three times the memory. Other C libraries than GNU's stay as they
    are.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt:
        mallopt(M_MMAP_THRESHOLD, LARGEST_KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)
