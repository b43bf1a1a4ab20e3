"""The last words of a run: its figures, where its pictures are, and what to type next."""

from pathlib import Path
from typing import Any

from components.errors import UserError
from components.files import read_json
from components.steps import STEPS

NEXT = """
Look at   reports/evaluate/samples_beside_real.png   generated packages beside real ones
          reports/train/samples/                     the same latents as training went on
Then      . .venv/bin/activate
          fabgan augment --model models:/bga-generator@candidate --count 64 --seed 7 --out out/augmented
          MLFLOW_DISABLE_TELEMETRY=true mlflow ui --backend-store-uri sqlite:///mlflow.db
          dvc exp run -S train.seed=2 && dvc metrics diff
"""


def summarise(folder: Path) -> str:
    """Return the metrics files of `folder` as a table, and what to do next; none at all is a UserError."""
    found: dict[str, Any] = {
        step: read_json(folder / f"{step}.json") for step in STEPS if (folder / f"{step}.json").is_file()
    }
    if not found:
        raise UserError(f"{folder}: no metrics yet; run the pipeline first")
    rows = [(step, name, f"{value:,.6g}") for step, metrics in found.items() for name, value in metrics.items()]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{step:<{widths[0]}}  {name:<{widths[1]}}  {value:>{widths[2]}}" for step, name, value in rows]
    return "\n".join(["", *lines, NEXT])
