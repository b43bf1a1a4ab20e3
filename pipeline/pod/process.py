"""`python -m fabgan.pipeline.pod.process REQUEST`: one of the training processes that torchrun starts in a pod.

REQUEST is a JSON file with the `train` section, the paths, and the path of the metrics file. The leading process writes
the metrics.
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
    """Run the train step together with the other processes."""
    asked = read_json(request)
    parameters: Any = parse(parameter_type("train"), asked["section"], run.FORM, "train")
    metrics = run_step("train", {"train": parameters}, {name: Path(path) for name, path in asked["paths"].items()})
    if metrics:
        write_json(Path(asked["metrics"]), metrics)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
