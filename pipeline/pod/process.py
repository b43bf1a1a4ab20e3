"""`python -m fabgan.pipeline.pod.process REQUEST`: one of several training processes in a pod, as torchrun starts them.

REQUEST is a JSON file: the `train` section, the paths, and the file for the metrics, which the leading process writes.
"""

import sys
from pathlib import Path
from typing import Any

from fabgan.components.core.files import read_json, write_json
from fabgan.components.core.parameters import parse
from fabgan.components.steps import parameter_type, run_step

from . import run


@run.report_user_errors
def main(request: Path) -> None:
    """Train with the other processes."""
    asked = read_json(request)
    parameters: Any = parse(parameter_type("train"), asked["section"], run.FORM, "train")
    metrics = run_step("train", {"train": parameters}, {name: Path(path) for name, path in asked["paths"].items()})
    if metrics:
        write_json(Path(asked["metrics"]), metrics)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
