"""The registry of steps: the help and the paths of each step, the class of its parameters, and how it is run."""

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
    reads: tuple[str, ...] = ()
    """Sections of other steps that its `run` takes after its own."""
    fills: tuple[str, ...] = ("output",)
    """Those of the paths that are folders to fill."""


SCHEMA = 4
"""Version of the keys in params.yaml."""
OTHER_KEYS = ("schema", "kubeflow", "presets")
"""Keys of params.yaml beside the sections of the steps."""

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
            "checkpoints": "folder for checkpoints; an interrupted run resumes from them",
            "generator": "folder for the trained generator",
            "report": "folder for the losses and the sample grids",
        },
        fills=("checkpoints", "generator", "report"),
    ),
    "evaluate": Step(
        "measure the generator against held-out images, and give a verdict with a report",
        {
            "packages": "folder that crop_resize filled",
            "generator": "folder that train filled",
            "training": "folder of train's losses and sample grids, for the report",
            "report": "folder for the verdict, the report pages and the sheet of samples",
        },
        fills=("report",),
    ),
    "publish": Step(
        "measure the generator again and register it in MLflow, as candidate and perhaps as champion",
        {
            "packages": "folder that crop_resize filled",
            "generator": "folder that train filled",
            "evaluation": "folder that evaluate filled",
            "receipt": "JSON file for what was registered",
            "page": "HTML page for the measures beside those of the champion",
        },
        reads=("evaluate",),
    ),
}


def load_parameters(path: Path) -> dict[str, Any]:
    """Return the parameters of every step from a params.yaml. Raises UserError for a mistake in any section."""
    return parse_sections(load_content(path), str(path))


def load_content(path: Path) -> dict[str, Any]:
    """Return the content of a params.yaml. Raises UserError for another schema, or for an unknown section."""
    from .core.errors import UserError
    from .core.parameters import load_yaml

    content = load_yaml(path)
    if (schema := content.get("schema", 1)) != SCHEMA:
        raise UserError(
            f"{path}: schema: {_as_number(schema)}, but this version reads schema {SCHEMA}: run `fabgan migrate "
            f"--params {path}`, which renames or removes the keys that have changed and lists them"
        )
    if unknown := content.keys() - {*STEPS, *OTHER_KEYS}:
        known = ", ".join([*STEPS, *OTHER_KEYS])
        names = ", ".join(sorted(map(_as_written, unknown)))
        raise UserError(f"{path}: {names}: unknown section (known: {known})")
    return content


def _as_written(name: object) -> str:
    return f"{name} (on, off, yes or no without quotes)" if isinstance(name, bool) else str(name)


def _as_number(schema: object) -> str:
    return f"{schema}" if type(schema) in (int, float) else f"{schema!r}, which is no number"


def parse_sections(content: Mapping[str, Any], where: str) -> dict[str, Any]:
    """Return the parameters of every step from its section. Raises UserError, which begins with `where`."""
    from .core.errors import UserError
    from .core.parameters import parse

    sections: dict[str, Any] = {name: parse(parameter_type(name), content.get(name, {}), where, name) for name in STEPS}
    made, wanted = sections["crop_resize"].sizes_px, sections["train"].image_size_px
    if wanted not in made:
        raise UserError(f"{where}: train.image_size_px: {wanted} is not one of crop_resize.sizes_px, {list(made)}")
    return sections


def parameter_type(step: str) -> type:
    """Return the dataclass of a step's section."""
    from .crop_resize.parameters import CropResizeParameters
    from .ingest.parameters import IngestParameters
    from .measures.parameters import EvaluateParameters
    from .publish.parameters import PublishParameters
    from .train.parameters import TrainParameters

    return {
        "ingest": IngestParameters,
        "crop_resize": CropResizeParameters,
        "train": TrainParameters,
        "evaluate": EvaluateParameters,
        "publish": PublishParameters,
    }[step]


def run_step(name: str, sections: Mapping[str, Any], paths: Mapping[str, Path]) -> dict[str, float]:
    """Run a step inside its MLflow run; return the metrics.

    `sections` are the parameters by step. They hold at least those that the step takes. Of several training processes,
    only the leader has a run and metrics. Raises UserError for a folder to fill that lies in or around another path.
    """
    from .core.files import check_apart
    from .services.tracking.registry import model_folder

    filled = {path: place for path, place in paths.items() if path in STEPS[name].fills}
    check_apart(filled, {path: place for path, place in paths.items() if path not in filled})
    if name != "train":
        return _run_tracked(name, sections, paths)
    with model_folder(sections[name].start_from) as start:
        if _follows(sections[name], paths, start):
            return {}
        return _run_tracked(name, sections, paths, start=start)


def _run_tracked(
    name: str, sections: Mapping[str, Any], paths: Mapping[str, Path], **further: Path | None
) -> dict[str, float]:
    from importlib import import_module

    from .artifacts.contact import sheet_written
    from .artifacts.manifest import has_manifest, manifest_digest
    from .services.tracking.runs import step_run

    data = {path: manifest_digest(place) for path, place in paths.items() if path != "output" and has_manifest(place)}
    with step_run(name, {section: asdict(values) for section, values in sections.items()}, data) as run:
        recorders: dict[str, dict[str, Any]] = {"train": {"log": run.log}, "evaluate": {"run": run.address}}
        with sheet_written(paths.get("output"), run.show):
            metrics: dict[str, float] = import_module(f"fabgan.components.{name}.step").run(
                *(sections[read] for read in (name, *STEPS[name].reads)), **paths, **recorders.get(name, {}), **further
            )
        run.finish(metrics, [paths["report"]] if "report" in paths else [], list(paths.values()))
    return metrics


def _follows(parameters: Any, paths: Mapping[str, Path], start: Path | None) -> bool:
    """Return whether another process leads this training process. If so, train first."""
    from .train import step as train
    from .train.processes import end_with_torchrun, launched

    processes = launched()
    if processes.count > 1:
        end_with_torchrun()
    if not processes.leads:
        train.run(parameters, **paths, log=lambda losses, images: None, start=start)
    return not processes.leads
