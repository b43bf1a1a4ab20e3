"""The evaluate step: how far the generator's images are from held-out ones, what it copied, a verdict and a report."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from fabgan.model.measures.copies import Match, turned
from fabgan.model.streams import random_stream

from ..artifacts.gallery import Gallery, Suspect
from ..artifacts.generator import Generator, generate, load_card, load_generator
from ..artifacts.manifest import PackageManifest, read_manifest
from ..artifacts.packages import Packages, open_packages
from ..artifacts.pages.render import in_words
from ..artifacts.pages.report import write_report
from ..artifacts.sheets import image_grid, of_full_rows, side_by_side, with_corners
from ..artifacts.verdict import FOLDER, Sensitivity, write_verdict
from ..core.files import atomic_folder, check_replaceable
from ..core.images import write_png
from ..core.log import logger
from ..core.provenance import git_commit
from ..measures.evaluation import SHOWN_IMAGES, Evaluation, evaluation_of
from ..measures.parameters import EvaluateParameters
from ..measures.sensitivity import sensitivity_of

SHEET_COLUMNS = 6
SHOWN_SUSPECTS = 6
ADDRESSES = "start_from", "extractor_file", "inception_file"
"""Parameters that may name a server or a folder of the fab."""
MAP_PX = 128
"""Largest side of the map of seams."""


def run(
    params: EvaluateParameters, packages: Path, generator: Path, training: Path, report: Path, run: str = ""
) -> dict[str, float]:
    """Measure the `generator` folder against the `packages` folder; fill `report`; return the measures.

    `training` is the report folder of `train`. `run` says where MLflow shows the step's run. `report` gets
    `verdict.json`, the page `report.html`, the page `report_export.html` without real images and addresses, and
    `samples_beside_real.png`. Raises UserError for too few held-out images.
    """
    check_replaceable(report, FOLDER)
    card, trained = load_card(generator), load_generator(generator)
    evaluation = evaluation_of(trained, card, packages, params, "evaluate")
    sensitivity = _sensitivity(evaluation, packages, trained.config.image_size_px, params)
    verdict = replace(evaluation.verdict, sensitivity=sensitivity)
    gallery = _gallery(trained, packages, evaluation, params)
    shown = [gallery.generated, gallery.real]
    rows = of_full_rows(min(map(len, shown)), SHEET_COLUMNS)
    grids = [image_grid(with_corners(images[:rows], SHEET_COLUMNS), SHEET_COLUMNS) for images in shown]
    identity, exported = (_identity(trained, card, packages, params, addresses) for addresses in (True, False))
    inside = identity | ({"run": run} if run else {})
    with atomic_folder(report, FOLDER) as partial:
        write_verdict(partial, verdict)
        write_png(
            partial / "samples_beside_real.png",
            side_by_side(dict(zip(("generated", "real, held out"), grids, strict=True))),
        )
        write_report(partial / "report.html", verdict, gallery, inside, training)
        write_report(partial / "report_export.html", verdict, gallery, exported, training, with_real=False)
    return verdict.metrics | sensitivity.metrics | {"passed": float(verdict.passed)}


def _sensitivity(evaluation: Evaluation, packages: Path, size_px: int, params: EvaluateParameters) -> Sensitivity:
    """Return what the limits see on the held-out images, and warn of what they do not see."""
    held_out = open_packages(packages, size_px, "held_out")
    found = sensitivity_of(held_out, evaluation.real, evaluation.extractor, params)
    if found.obstacle:
        logger("evaluate").warning("what the limits would see is not known: %s", found.obstacle)
    if found.unseen:
        names = ", ".join(f"{in_words(one.name)} {one.strongest:g}" for one in found.unseen)
        logger("evaluate").warning(
            "the limits do not see these spoilings of %d held-out images: %s; lots differ too "
            "much from each other, see 'What the limits see' in report.html",
            found.images,
            names,
        )
    return found


def _identity(
    trained: Generator, card: Mapping[str, Any], packages: Path, params: EvaluateParameters, addresses: bool
) -> dict[str, str]:
    """Return what was measured and how: with the names of servers and folders or, for others, without them."""
    manifest = read_manifest(packages, PackageManifest)
    names = {"source": manifest.source, "revision": manifest.revision} if addresses else {}
    hidden = () if addresses else ADDRESSES
    return {
        "model": f"{card['variant']}, {trained.config.image_size_px} px",
        "date": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
        "code": git_commit(),
        **{f"data_{name}": value for name, value in names.items() if value},
        "trained_with": _in_a_line(card["parameters"], hidden),
        "measured_with": _in_a_line(asdict(params), hidden),
    }


def _in_a_line(parameters: Mapping[str, Any], hidden: Sequence[str]) -> str:
    """Return parameters as text, but for some; those of sections follow the others."""
    shown = {name: value for name, value in parameters.items() if value != "" and name not in hidden}
    own = [f"{name}: {value}" for name, value in shown.items() if not isinstance(value, Mapping)]
    sections = [_in_a_line(value, hidden) for value in shown.values() if isinstance(value, Mapping)]
    return ", ".join([*own, *sections])


def _gallery(trained: Generator, packages: Path, evaluation: Evaluation, params: EvaluateParameters) -> Gallery:
    """Return the images of the report. Those that are shown alone are generated again."""
    size_px = trained.config.image_size_px
    held_out, seen = (open_packages(packages, size_px, split) for split in ("held_out", "train"))
    order = torch.randperm(len(held_out.listed), generator=random_stream(params.seed, "sheet"))[:SHOWN_IMAGES]
    real = list(held_out.chosen(order.tolist()))
    judgement = evaluation.judgement
    excess_N, by_part_N = judgement.excess_2N.max(dim=0)

    def made(number: int) -> Tensor:
        return next(generate(trained, 1, params.seed, first=number))

    return Gallery(
        generated=evaluation.shown,
        real=real,
        suspects=[
            _suspect(made(number), seen, judgement.likeness.of(number, bool(by_part_N[number])))
            for number in _largest(excess_N)
        ],
        worst=[made(number) for number in _largest(judgement.strangeness_N)],
        seams_HW=_step_map(evaluation.shown) / _step_map(real).clamp(min=1e-3),
    )


def _suspect(x_CHW: Tensor, training: Packages, match: Match) -> Suspect:
    return Suspect(x_CHW, turned(_one(training, match.place), match.symmetry), match.similarity, match.by_part)


def _largest(values_N: Tensor) -> list[int]:
    numbers: list[int] = values_N.topk(min(SHOWN_SUSPECTS, len(values_N))).indices.tolist()
    return numbers


def _one(packages: Packages, place: int) -> Tensor:
    return next(iter(packages.chosen([place])))


def _step_map(images: Sequence[Tensor]) -> Tensor:
    """Return the mean over images of the largest difference between neighbouring pixels, in cells, `MAP_PX` a side."""
    maps = []
    for x_CHW in images:
        down, across = x_CHW.float().diff(dim=1).abs(), x_CHW.float().diff(dim=2).abs()
        steps_HW = (down[:, :, 1:] + across[:, 1:]).mean(dim=0)
        maps.append(functional.adaptive_max_pool2d(steps_HW[None], min(MAP_PX, len(steps_HW)))[0])
    return torch.stack(maps).mean(dim=0)
