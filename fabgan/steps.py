"""What the command line knows of each step: its help, its paths, and how it is run."""

from argparse import Namespace
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Step:
    """One step of the pipeline as a subcommand."""

    help: str
    paths: dict[str, str]
    """Path arguments of the step's `run`, with their help."""


STEPS = {
    "ingest": Step(
        "verify photographs, or render frames, and list them in a manifest",
        {"output": "folder to fill with frames and their manifest"},
    ),
    "crop_resize": Step(
        "find, straighten and cut out every package, and resize it",
        {"frames": "folder that ingest filled", "output": "folder to fill with packages and their manifest"},
    ),
    "train": Step(
        "train a generator on the packages; resumes when run again",
        {
            "packages": "folder that crop_resize filled",
            "checkpoints": "folder for checkpoints; an interrupted run goes on from there",
            "generator": "folder for the trained generator",
            "report": "folder for the losses and the sample grids",
        },
    ),
    "evaluate": Step(
        "measure the generator against held-out images and give a verdict",
        {
            "packages": "folder that crop_resize filled",
            "generator": "folder that train filled",
            "report": "folder for the verdict and the sheet of samples",
        },
    ),
    "publish": Step(
        "register the generator in MLflow, as candidate and perhaps as champion",
        {
            "packages": "folder that crop_resize filled",
            "generator": "folder that train filled",
            "evaluation": "folder that evaluate filled",
            "receipt": "JSON file for what was registered",
        },
    ),
}


def load_parameters(path: Path) -> dict[str, Any]:
    """Return the parameters of every step from a params.yaml; any mistake in any section is a UserError."""
    from components import crop_resize, evaluate, ingest, publish, train
    from components.errors import UserError
    from components.parameters import load_yaml, parse

    types = {
        "ingest": ingest.IngestParameters,
        "crop_resize": crop_resize.CropResizeParameters,
        "train": train.TrainParameters,
        "evaluate": evaluate.EvaluateParameters,
        "publish": publish.PublishParameters,
    }
    content = load_yaml(path)
    unknown = content.keys() - types.keys() - {"presets"}
    if unknown:
        raise UserError(f"{path}: {', '.join(sorted(unknown))}: unknown section (known: {', '.join(types)}, presets)")
    return {name: parse(cls, content.get(name, {}), str(path), name) for name, cls in types.items()}


def run_step(name: str, options: Namespace) -> Mapping[str, float]:
    """Run a step inside its MLflow run; write its metrics file; return the metrics."""
    from importlib import import_module

    from components.files import write_json
    from components.tracking.runs import step_run

    sections = load_parameters(options.params)
    paths = {path: getattr(options, path) for path in STEPS[name].paths}
    with step_run(name, {section: asdict(values) for section, values in sections.items()}) as run:
        series = {"log": run.log} if name == "train" else {}
        metrics: dict[str, float] = import_module(f"components.{name}").run(sections[name], **paths, **series)
        run.finish(metrics, [paths["report"]] if "report" in paths else [], list(paths.values()))
    write_json(options.metrics, metrics)
    return metrics


def run_augment(options: Namespace) -> None:
    """Pull a registered generator and make images."""
    from components import augment
    from components.parameters import parse

    asked = {name: getattr(options, name) for name in ("model", "first", "count", "seed", "label")}
    augment.run(parse(augment.AugmentParameters, asked, "fabgan augment"), options.out)


def run_gather(options: Namespace) -> None:
    """Gather the manifests of shards that augment put into a bucket."""
    from components.shards import gather

    gather(options.out, options.count)
