"""Components as Kubeflow runs them in a pod: the command of the compiled pipeline, with its executor."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from fabgan.pipeline.commands.compile import compile_pipelines
from tests.conftest import ROOT
from tests.database import database_in

TYPES = {"packages": "Dataset", "frames": "Dataset", "generator": "Model", "metrics": "Metrics"}


class Pod:
    """A folder in which a component of the training pipeline runs; its artifacts lie in the folder by their names."""

    def __init__(self, folder: Path, component: str) -> None:
        self.folder, self.component = folder, component
        compile_pipelines("fabgan:1", ROOT / "params.yaml", folder / "pipelines")
        compiled = next(yaml.safe_load_all((folder / "pipelines" / "training.yaml").read_text()))
        self.compiled = compiled
        self.container = compiled["deploymentSpec"]["executors"][f"exec-{component.replace('_', '-')}"]["container"]
        self.environment = os.environ | {
            "FABGAN_RUN": "one",
            "FABGAN_CHECKPOINTS": str(folder / "checkpoints"),
            "MLFLOW_TRACKING_URI": database_in(folder),
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
        }

    @property
    def form(self) -> dict[str, Any]:
        """The parameters of the component, if they are constants or fields of the form: the defaults."""
        groups = [one.get("dag", {}).get("tasks", {}) for one in self.compiled["components"].values()]
        (task,) = (tasks[self.component] for tasks in groups if self.component in tasks)
        fields = self.compiled["root"]["inputDefinitions"]["parameters"]
        return {
            name: given["runtimeValue"]["constant"]
            if "runtimeValue" in given
            else fields[given["componentInputParameter"].removeprefix("pipelinechannel--")]["defaultValue"]
            for name, given in task["inputs"]["parameters"].items()
        }

    @contextmanager
    def started(
        self, parameters: Mapping[str, Any], inputs: Mapping[str, Path], outputs: list[str]
    ) -> Iterator[subprocess.Popen[str]]:
        """Start the component in a process group of its own, as argoexec does."""
        executor_input = {
            "inputs": {
                "parameterValues": dict(parameters),
                "artifacts": {name: _artifact(name, path) for name, path in inputs.items()},
            },
            "outputs": {
                "artifacts": {name: _artifact(name, self.folder / name) for name in outputs},
                "outputFile": str(self.folder / "executor_output.json"),
            },
        }
        arguments = [part.replace("{{$}}", json.dumps(executor_input)) for part in self.container["args"]]
        with subprocess.Popen(
            [*self.container["command"], *arguments],
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            process_group=0,
        ) as process:
            try:
                yield process
            finally:
                process.kill()


def _artifact(name: str, path: Path) -> dict[str, Any]:
    kind = {"schemaTitle": f"system.{TYPES.get(name, 'Artifact')}", "schemaVersion": "0.0.1"}
    return {"artifacts": [{"name": name, "type": kind, "uri": str(path), "metadata": {}}]}
