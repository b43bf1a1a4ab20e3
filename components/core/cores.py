"""How many processor cores this process may use: the limit of its container, not the cores of the node."""

import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
"""The container's own control group."""


def usable_cores() -> int:
    """Return the number of cores this process may run on, or the quota if that is lower. It is at least one.

    A pod's CPU limit is such a quota. Kubernetes does not hide the node's other cores. A process with one thread per
    core of the node is throttled most of the time.
    """
    cores, quota = len(os.sched_getaffinity(0)), _quota()
    return cores if quota is None else max(min(cores, int(quota)), 1)


def keep_to_usable_cores() -> None:
    """Limit the threads of libraries that are imported after this call.

    Variables that are set in the environment stay as they are. Torch gets one thread per core of the quota, if there is
    a quota. Its threads sleep while they wait. Spinning threads starve each other on shared cores, and training slows
    to a tenth. OpenCV gets one thread; its steps run one process per core.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    if _quota() is not None:
        os.environ.setdefault("OMP_NUM_THREADS", str(usable_cores()))


def _quota() -> float | None:
    """Return the control group's quota in cores, from cgroup version 2 or 1; None without a limit."""
    version_2, version_1 = CGROUP / "cpu.max", CGROUP / "cpu" / "cpu.cfs_quota_us"
    if version_2.is_file():
        quota, period = version_2.read_text(encoding="ascii").split()
    elif version_1.is_file():
        files = version_1, version_1.with_name("cpu.cfs_period_us")
        quota, period = (file.read_text(encoding="ascii").strip() for file in files)
    else:
        return None
    return None if quota in ("max", "-1") else int(quota) / int(period)
