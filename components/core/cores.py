"""How many processor cores this process may keep busy: those that its container is allowed, not those of the node."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
"""Where a container sees its own control group."""


def usable_cores() -> int:
    """Return how many cores this process may run on, or fewer where a quota allows fewer; one at least.

    A pod's CPU limit is such a quota. Kubernetes does not hide the node's other cores: whoever starts a thread for each
    of them is stopped for most of the time.
    """
    cores, quota = len(os.sched_getaffinity(0)), _quota()
    return cores if quota is None else max(min(cores, int(quota)), 1)


def keep_to_usable_cores() -> None:
    """Let libraries that are not imported yet start no more threads than are of use.

    What the environment says already is left alone. Torch keeps to the quota, where there is one. Its threads sleep
    while they wait: those that spin starve each other where the cores are shared, and training falls to a tenth.
    OpenCV has one, as the steps that use it have a process a core.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    if _quota() is not None:
        os.environ.setdefault("OMP_NUM_THREADS", str(usable_cores()))


def _quota() -> float | None:
    """Return how many cores' time the control group may take, of version 2 or 1; None for any number."""
    newer, older = CGROUP / "cpu.max", CGROUP / "cpu" / "cpu.cfs_quota_us"
    if newer.is_file():
        quota, period = newer.read_text(encoding="ascii").split()
    elif older.is_file():
        files = older, older.with_name("cpu.cfs_period_us")
        quota, period = (file.read_text(encoding="ascii").strip() for file in files)
    else:
        return None
    return None if quota in ("max", "-1") else int(quota) / int(period)
