"""What there is to know of each step from outside: its help, its paths, and how it is run."""

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


OTHER_SECTIONS = ("kubeflow", "presets")
"""Sections of a params.yaml that no step reads."""

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
    from components.parameters import load_yaml

    return parse_sections(load_yaml(path), str(path))


def parse_sections(content: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the parameters of every step from what a params.yaml holds; `where` names it in a UserError."""
    from components.errors import UserError
    from components.parameters import parse

    unknown = content.keys() - {*STEPS, *OTHER_SECTIONS}
    if unknown:
        known = ", ".join([*STEPS, *OTHER_SECTIONS])
        raise UserError(f"{where}: {', '.join(sorted(unknown))}: unknown section (known: {known})")
    sections: dict[str, Any] = {name: parse(parameter_type(name), content.get(name, {}), where, name) for name in STEPS}
    made, wanted = sections["crop_resize"].sizes_px, sections["train"].image_size_px
    if wanted not in made:
        raise UserError(f"{where}: train.image_size_px: {wanted} is none of crop_resize.sizes_px, {list(made)}")
    return sections


def parameter_type(step: str) -> type:
    """Return the dataclass of a step's section."""
    from components import crop_resize, evaluate, ingest, publish, train

    return {
        "ingest": ingest.IngestParameters,
        "crop_resize": crop_resize.CropResizeParameters,
        "train": train.TrainParameters,
        "evaluate": evaluate.EvaluateParameters,
        "publish": publish.PublishParameters,
    }[step]


def run_step(name: str, sections: Mapping[str, Any], paths: Mapping[str, Path]) -> dict[str, float]:
    """Run a step inside its MLflow run; return the metrics.

    `sections` are the parameters by step: the step's own, and whatever else is known of the pipeline. Of several
    training processes, only the leader has a run and metrics.
    """
    from importlib import import_module

    from components.tracking.runs import step_run

    if name == "train" and _follows(sections[name], paths):
        return {}
    with step_run(name, {section: asdict(values) for section, values in sections.items()}) as run:
        series = {"log": run.log} if name == "train" else {}
        metrics: dict[str, float] = import_module(f"components.{name}").run(sections[name], **paths, **series)
        run.finish(metrics, [paths["report"]] if "report" in paths else [], list(paths.values()))
    return metrics


def _follows(parameters: Any, paths: Mapping[str, Path]) -> bool:
    """Say whether this is a training process that another one leads, after it has done its share."""
    from components import train
    from components.processes import end_with_torchrun, launched

    processes = launched()
    if processes.count > 1:
        end_with_torchrun()
    if not processes.leads:
        train.run(parameters, **paths, log=lambda losses, images: None)
    return not processes.leads


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
