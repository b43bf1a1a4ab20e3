"""The pods of the sweep pipeline: list its trainings, and put their measures into one table."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from math import inf
from pathlib import Path
from statistics import mean
from typing import Any

from fabgan.components.artifacts.pages.render import render
from fabgan.components.core.errors import UserError
from fabgan.components.core.parameters import parse
from fabgan.components.steps import parameter_type
from fabgan.components.train.parameters import check_processes

from . import run
from .form import FORM
from .reporting import report_errors

MEASURES = (
    "kernel_distance",
    "kernel_distance_floor",
    "kernel_distance_patches",
    "precision",
    "recall",
    "coverage",
    "spectrum_db",
    "ser1",
    "ser2",
    "copied_share",
    "passed",
)


def with_sizes(form: Mapping[str, Any], image_sizes_px: Sequence[float]) -> dict[str, Any]:
    """Return the fields of a form with all sizes, and the first of them for `train`. Raises UserError without any."""
    _check_lists(image_sizes_px=image_sizes_px)
    return dict(form) | {"sizes_px": image_sizes_px, "image_size_px": image_sizes_px[0]}


def checked_trainings(
    section: Mapping[str, Any], variants: Sequence[str], sizes_px: Sequence[float], seeds: Sequence[float], gpus: int
) -> list[dict[str, Any]]:
    """Return the `train` section of each training; `gpus` is the number of GPUs that train together.

    Raises UserError for a wrong value, or for an empty list.
    """
    _check_lists(variants=variants, image_sizes_px=sizes_px, seeds=seeds)
    asked = [
        dict(section) | {"variant": variant, "image_size_px": size_px, "seed": seed}
        for size_px in sizes_px
        for variant in variants
        for seed in seeds
    ]
    checked: list[Any] = [parse(parameter_type("train"), one, FORM, "train") for one in asked]
    for training in checked:
        check_processes(training, max(gpus, 1))
    return [asdict(training) for training in checked]


def _check_lists(**lists: Sequence[Any]) -> None:
    if empty := [name for name, values in lists.items() if not values]:
        raise UserError(f"{FORM}: {', '.join(empty)}: expected at least one value in each list")


@report_errors
def plan(
    params: Mapping[str, Any], form: Mapping[str, Any], image_sizes_px: Sequence[float]
) -> dict[str, dict[str, Any]]:
    """Return the checked section of every step; `train` has the first of the sizes."""
    return run.pinned_sections(params, with_sizes(form, image_sizes_px))


@report_errors
def trainings(
    section: Mapping[str, Any], variants: Sequence[str], sizes_px: Sequence[float], seeds: Sequence[float], gpus: int
) -> list[str]:
    """Return what `checked_trainings` does, each as JSON."""
    return run.as_items(checked_trainings(section, variants, sizes_px, seeds, gpus))


@report_errors
def compare(page: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the table of all trainings, and record how many there are, for `finish`."""
    from fabgan.components.services.tracking.pipelines import record_outcome

    write_table(Path(page), rows)
    record_outcome(f"{len(rows)} trainings are compared")


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write a page with one row per variant and size: means over the seeds, and the range of the first measure."""
    groups: dict[tuple[int, str], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((int(row["image_size_px"]), row["variant"]), []).append(row)
    ordered = sorted(groups.items(), key=lambda group: (group[0][0], _rank(group[1])))
    shown = [_row(size_px, variant, of_seeds) for (size_px, variant), of_seeds in ordered]
    render(path, "sweep.html.j2", measures=MEASURES, rows=shown)


def _rank(of_seeds: Sequence[Mapping[str, Any]]) -> float:
    first = _mean(of_seeds, MEASURES[0])
    return inf if first is None else first


def _row(size_px: int, variant: str, of_seeds: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first = _known(of_seeds, MEASURES[0])
    figures = [*(_mean(of_seeds, name) for name in MEASURES), min(first, default=None), max(first, default=None)]
    return {"size_px": size_px, "variant": variant, "seeds": len(of_seeds), "figures": figures}


def _mean(rows: Sequence[Mapping[str, Any]], name: str) -> float | None:
    """Return the mean over the seeds, or None if a measure of one of them could not be computed."""
    found = _known(rows, name)
    return mean(found) if len(found) == len(rows) else None


def _known(rows: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [float(row[name]) for row in rows if name in row]
