"""`python -m fabgan.pipeline.pod.process REQUEST`: the process in which a pod does the work of a step.

REQUEST is a JSON file of the supervisor, with the step, its arguments, and the path of the file for what it found.
Several processes that train together have one request. The leading process writes what it found.
"""

import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from fabgan.components.augment.parameters import AugmentParameters
from fabgan.components.core.errors import WorkerKilledError
from fabgan.components.core.files import read_json, write_json
from fabgan.components.core.log import LOG
from fabgan.components.core.parameters import parse
from fabgan.components.core.signals import end_with_parent
from fabgan.components.defects.parameters import DefectsParameters, TrainDefectsParameters
from fabgan.components.steps import STEPS, parameter_type, run_step

from .form import FORM
from .reporting import report_errors

WORKER_KILLED = 128 + signal.SIGKILL
"""Exit status after the end of a worker, by which the supervisor sees that something was killed."""


@report_errors
def main(request: Path) -> None:
    """Do the work of a request."""
    end_with_parent(signal.SIGTERM)
    asked = read_json(request)
    step, arguments = asked["step"], asked["arguments"]
    try:
        found = WORK[step](**arguments) if step in WORK else _step(step, **arguments)
    except WorkerKilledError as error:
        LOG.warning(error)
        sys.exit(WORKER_KILLED)
    if found:
        write_json(Path(asked["found"]), found)


def _step(
    name: str, sections: Sequence[Mapping[str, Any]], paths: Mapping[str, str], before: Mapping[str, str]
) -> dict[str, float]:
    from fabgan.components.services.tracking.pipelines import record_cached

    if before:
        record_cached({step: read_json(Path(figures)) for step, figures in before.items()})
    read = dict(zip((name, *STEPS[name].reads), sections, strict=True))
    parsed: Any = {one: parse(parameter_type(one), section, FORM, one) for one, section in read.items()}
    metrics = run_step(name, parsed, {path: Path(value) for path, value in paths.items()})
    if name == "publish":
        record_published(Path(paths["receipt"]))
    return metrics


def record_published(receipt: Path) -> None:
    """Record, for `finish`, which version was registered with which verdict."""
    from fabgan.components.services.tracking.pipelines import record_outcome

    said = read_json(receipt)
    record_outcome(_in_words(said["model"], said["verdict"], said["aliases"]))


def _in_words(version: str, verdict: str, aliases: Sequence[str]) -> str:
    return " ".join([version, verdict, *(f"@{alias}" for alias in aliases)])


def _augment(section: Mapping[str, Any], destination: str) -> dict[str, float]:
    from fabgan.components.augment import step as augment

    return augment.run(parse(AugmentParameters, section, FORM), destination)


def _train_defects(section: Mapping[str, Any], paths: Mapping[str, str], model_name: str) -> dict[str, Any]:
    """Return the metrics of the card, and which version was registered with which verdict."""
    from fabgan.components.defects import registration

    params = parse(TrainDefectsParameters, section, FORM)
    card, published = registration.run(params, Path(paths["packages"]), Path(paths["model"]), model_name)
    version = published.version
    registered = _in_words(version.uri, version.tags["verdict"], published.aliases)
    return {"metrics": card.metrics, "registered": registered}


def _defects(section: Mapping[str, Any], paths: Mapping[str, str]) -> dict[str, float]:
    from fabgan.components.artifacts.contact import write_sections
    from fabgan.components.defects import step as defects
    from fabgan.components.defects.card import NOT_RECOMMENDED, load_card

    model, images = Path(paths["model"]), Path(paths["images"])
    if not load_card(model).recommended:
        LOG.warning("%s: none are made", NOT_RECOMMENDED)
        images.mkdir(parents=True, exist_ok=True)
        write_sections(images, "defects", [])
        return {"images": 0}
    return defects.run(parse(DefectsParameters, section, FORM), Path(paths["packages"]), images, model)


WORK: dict[str, Callable[..., dict[str, Any]]] = {
    "augment": _augment,
    "train_defects": _train_defects,
    "defects": _defects,
}
"""What is no step of params.yaml."""

if __name__ == "__main__":
    main(Path(sys.argv[1]))
