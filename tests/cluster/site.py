"""A cluster with fabgan: start runs there, wait for them, and look at their pods and at what MLflow says."""

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fabgan.pipeline.commands.submit import FINAL_STATES, Kubeflow, Run

from .kubectl import Kubectl

EXPERIMENT = "cluster-check"
STEP_POD = "system-container-impl"
"""Part of the name of every pod that runs a step; a driver's pod has another. A step from the cache has no such pod."""
POLL_S = 5.0


@dataclass
class Site:
    """Where the checks run, until when, and the runs that they have started."""

    kubectl: Kubectl
    kubeflow: Kubeflow
    namespace: str
    image: str
    params: Path
    deadline_s: float
    """By the clock of `time.monotonic`."""
    runs: dict[str, Run] = field(default_factory=dict)

    def started(self, name: str, pipeline: str, **form: object) -> Run:
        """Start a run, and keep it under a name."""
        asked = {key: str(value) for key, value in form.items()}
        self.runs[name] = self.kubeflow.submit(pipeline, self.image, self.params, asked, EXPERIMENT)
        return self.runs[name]

    def run_of(self, name: str) -> Run:
        """Return a run of an earlier check. Raises RuntimeError if that check did not come so far."""
        if name not in self.runs:
            raise RuntimeError(f"needs the run of the check `{name}`, which was not started")
        return self.runs[name]

    def ended(self, run: Run) -> Any:
        """Return Kubeflow's description of a run when it has ended."""
        return self.until(lambda: self._final(run), f"{run.url} to end")

    def _final(self, run: Run) -> Any | None:
        found = self.kubeflow.client.get_run(run.identifier)
        return found if found.state in FINAL_STATES else None

    def succeeded(self, run: Run) -> None:
        """Wait for the end of a run. Raises RuntimeError with the failed step if it failed."""
        found = self.ended(run)
        if found.state != "SUCCEEDED":
            raise RuntimeError(f"{run.url} ended as {found.state}: {self.kubeflow.reason(found)}")

    def until(self, found: Callable[[], Any | None], what: str) -> Any:
        """Return what a question finds, once it finds anything. Raises TimeoutError at the deadline."""
        while (answer := found()) is None:
            if time.monotonic() > self.deadline_s:
                raise TimeoutError(f"the time was up while waiting for {what}")
            time.sleep(POLL_S)
        return answer

    def step_pods(self, run: Run) -> list[dict[str, Any]]:
        """Return the pods of a run that have run steps."""
        pods = self.kubectl.items(
            "pods", f"--namespace={self.namespace}", f"--selector=pipeline/runid={run.identifier}"
        )
        return [pod for pod in pods if STEP_POD in pod["metadata"]["name"]]


def steps_of(pods: Iterable[dict[str, Any]]) -> list[str]:
    """Return the functions that pods of steps run, in alphabetical order."""
    return sorted(function_of(pod) for pod in pods)


def function_of(pod: dict[str, Any]) -> str:
    """Return the component that a pod runs; kfp names it in the arguments of the container `main`."""
    (main,) = [container for container in pod["spec"]["containers"] if container["name"] == "main"]
    words = [*main.get("command", []), *main.get("args", [])]
    return str(words[words.index("--function_to_execute") + 1])
