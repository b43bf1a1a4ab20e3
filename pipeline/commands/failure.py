"""Which step of a run failed, and its last line of error, from what Kubeflow's API says of the run."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from fabgan.components.core.log import LOG

from ..pod.run import FAILED_STATES

POD_TEMPLATES = ("system-container-impl", "retry-system-container-impl")
"""Argo puts the name of a pod's template before the number of its node. Kubeflow names only the node."""
ATTEMPT = re.compile(r"\(\d+\)$")
LAUNCHER_LINE = re.compile(r"[IWEF]\d{4} |time=|\[KFP |Error: |exit status \d+$")
"""Lines of Kubeflow's launcher and executor, and of Argo."""


def failed_task(tasks: Iterable[Any]) -> Any | None:
    """Return the innermost task that failed first, or None. A task without failed tasks below it is innermost."""
    failed = [task for task in tasks if task.state in FAILED_STATES]
    pods = {task.pod_name for task in failed if task.pod_name}
    innermost = [task for task in failed if not pods & _pods_below(task)]
    return min(innermost, key=lambda task: str(task.end_time), default=None)


def step_of(task: Any, tasks: Iterable[Any]) -> str:
    """Return the name of the step that a task belongs to. The pod of a step is called `executor`."""
    name = ATTEMPT.sub("", task.display_name)
    if name != "executor":
        return name
    all_tasks = list(tasks)
    above = next((one for one in all_tasks if task.pod_name in _pods_below(one)), None)
    return step_of(above, all_tasks) if above else name


def _pods_below(task: Any) -> set[str]:
    return {child.pod_name for child in task.child_tasks or []}


def message_of(task: Any) -> str:
    """Return what Kubeflow itself says of a failed task; empty if it says nothing."""
    states = [task, *reversed(task.state_history or [])]
    return next((state.error.message for state in states if state.error and state.error.message), "")


def pod_names(node: str) -> Iterator[str]:
    """Yield the names that the pod of an Argo node may have."""
    workflow, _, number = node.rpartition("-")
    yield from (f"{workflow}-{template}-{number}" for template in POD_TEMPLATES)
    yield node


def last_error(log: str) -> str:
    """Return the line of a step's log that says why it failed: the last error of fabgan, or else the last line."""
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    ours = [line for line in lines if line.startswith(f"{LOG.name}: error: ")]
    others = [line for line in lines if not LAUNCHER_LINE.match(line)]
    return next(iter([*ours[-1:], *others[-1:], *lines[-1:]]), "")
