"""The train step: it trains a generator on packages, and writes checkpoints, sample grids and losses on the way.

If it was killed, the same command resumes from the last checkpoint. It ends with the weights of an uninterrupted run,
because every random draw depends only on the seed and the training step. With torchrun, several processes divide the
images of each training step. One of them writes the files.
"""

import csv
import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from fabgan.model.processes import Processes
from fabgan.model.streams import random_stream

from ..artifacts.generator import FOLDER, SEEN, generate, save_generator
from ..artifacts.manifest import manifest_digest
from ..artifacts.packages import Labels, load_labels, load_packages, photographs
from ..artifacts.sheets import image_grid
from ..core.errors import UserError, is_of_memory
from ..core.files import atomic_folder, check_replaceable, names_marker
from ..core.images import write_png
from ..core.log import logger
from ..core.parameters import digest
from ..core.progress import Progress
from ..core.provenance import code_of
from .checkpoints import Checkpoints, LossPoint
from .devices import training_device
from .kinds import Kinds, find_kinds
from .parameters import TrainParameters, check_processes
from .processes import joined, launched
from .start import RANDOM, Start, check_start, started
from .variants import Task, Training, new_training, on_this_computer

LogMetrics = Callable[[Mapping[str, float], int], None]
LOSSES, SAMPLES = "losses.csv", "samples"
REPORT = names_marker(LOSSES, (LOSSES, f"{SAMPLES}/", ".gitignore"), "images,")  # DVC may have written a .gitignore
LOSS_POINTS = 500
SAMPLES_IN_GRID = 16
RARE = 20
"""A class with fewer training images is learned by heart, or hardly at all."""
THEN = "so evaluate will refuse them; start from random weights"
LOG = logger("train")


def run(
    params: TrainParameters,
    packages: Path,
    checkpoints: Path,
    generator: Path,
    report: Path,
    log: LogMetrics,
    start: Path | None = None,
) -> dict[str, float]:
    """Train on the `packages` folder; write the `generator` folder and the `report` folder; return final figures.

    `start` is the folder that `train.start_from` names, or a copy of it. `checkpoints` holds one folder per run, from
    which the run resumes. A finished run that is started again only writes its results again. `log` is called with
    losses and the number of images shown. Of several processes, only the leader writes. Raises UserError for parameters
    that do not fit the data or the processes, for folders that hold something else, and for losses that are not finite.
    """
    check_replaceable(generator, FOLDER)
    check_replaceable(report, REPORT)
    check_start(params.start_from, generator)
    processes, params = launched(), on_this_computer(params)
    with _memory_said(f"train.image_size_px: the training images of {params.image_size_px} px"):
        x_NCHW = _training_images(params, packages)
    check_processes(params, processes.count)
    settings = params.settings
    labels = _labels(packages, warn=processes.leads) if settings.labels else None
    kinds = find_kinds(x_NCHW, labels, settings.max_kinds, settings.min_images_per_kind)
    with _memory_said(f"train.{params.variant}: the networks"):
        training = _new_training(params, x_NCHW.shape[1], kinds, processes)
    begun = started(training, start) if start else RANDOM
    data_sha256, relevant = manifest_digest(packages), params.relevant()
    # The kinds are included, because k-means may cluster differently on another machine.
    run_digest = digest([relevant, data_sha256, code_of("train"), kinds.numbers_N.tolist(), begun.sha256])
    kept = Checkpoints(checkpoints, run_digest, processes.leads, _seen(params, packages, begun, processes.leads))
    facts = {"data_sha256": data_sha256, "parameters": relevant, "training_images": len(x_NCHW)}
    facts |= {"classes": labels.names if labels else [], "start_sha256": begun.sha256, SEEN: kept.seen}
    with joined(processes), kept.written_alone():
        with _memory_said(f"train.image_size_px: {len(x_NCHW)} training images of {params.image_size_px} px"):
            images = _Images.on_device(x_NCHW, kinds)
        with _memory_said(f"train.batch_size: {params.batch_size} images of {params.image_size_px} px"):
            points = _train(params, training, images, kept, processes, log)
        if processes.leads:
            save_generator(generator, params.variant, training.generator, facts)
            _write_report(report, points, kept.samples)
    return _final_figures(training, points)


def _training_images(params: TrainParameters, packages: Path) -> Tensor:
    x_NCHW = load_packages(packages, params.image_size_px, "train")
    if len(x_NCHW) < params.batch_size:
        raise UserError(f"train.batch_size: {params.batch_size} is more than the {len(x_NCHW)} training images")
    return x_NCHW


def _labels(packages: Path, warn: bool) -> Labels:
    """Return the class labels of the training images, and warn of classes that are too rare."""
    labels = load_labels(packages, "train")
    for name, count in zip(labels.names, labels.numbers_N.bincount().tolist(), strict=True):
        if warn and count < RARE:
            LOG.warning(
                "the class %r has only %d training image(s); with fewer than %d, its images become copies or noise. "
                "If it is a defect, annotate it, and make it with `fabgan train_defects` and `fabgan defects`",
                name,
                count,
                RARE,
            )
    return labels


def _seen(params: TrainParameters, packages: Path, begun: Start, warn: bool) -> list[str] | None:
    """Return the photographs that the weights will have been trained with, and warn if some are held out.

    It is None if they started from weights of which that is not known.
    """
    if begun.seen is None:
        if warn:
            LOG.warning("train.start_from: it is not known which photographs these weights were trained with, %s", THEN)
        return None
    seen = photographs(packages, params.image_size_px, "train") | set(begun.seen)
    held_out = photographs(packages, params.image_size_px, "held_out")
    if warn and (known := held_out & seen):
        LOG.warning(
            "train.start_from: these weights were trained with %d of the %d photographs that are held out now, %s, or "
            "divide the photographs as before (ingest.seed, ingest.held_out_share, ingest.lot_pattern)",
            len(known),
            len(held_out),
            THEN,
        )
    return sorted(seen)


def _final_figures(training: Training, points: list[LossPoint]) -> dict[str, float]:
    sizes = {
        f"parameters_{name}": float(sum(weight.numel() for weight in training.networks[name].parameters()))
        for name in training.optimizers
    }
    losses = {f"loss_{name}": loss for name, loss in points[-1].losses.items()}
    return {"images": points[-1].images, **losses, **sizes, "parameters": sum(sizes.values())}


@dataclass(frozen=True)
class _Images:
    """The training images and their kinds, on the training device."""

    x_NCHW: Tensor
    kinds_N: Tensor

    @classmethod
    def on_device(cls, x_NCHW: Tensor, kinds: Kinds) -> "_Images":
        device = training_device()
        return cls(x_NCHW.to(device), kinds.numbers_N.to(device))

    def batch(self, size: int, stream: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return `size` different images, uint8, and their kinds."""
        chosen_B = torch.randperm(len(self.x_NCHW), generator=stream)[:size].to(self.x_NCHW.device)
        return self.x_NCHW[chosen_B], self.kinds_N[chosen_B]


def _new_training(params: TrainParameters, channels: int, kinds: Kinds, processes: Processes) -> Training:
    task = Task(
        image_size_px=params.image_size_px,
        channels=channels,
        seed=params.seed,
        total_steps=params.total_steps,
        kind_shares=kinds.shares,
        class_of_kind=kinds.class_of_kind,
        processes=processes,
    )
    try:
        training = new_training(params, task)
    except ValueError as error:
        raise UserError(f"train.{error}") from error
    for network in training.networks.values():
        network.to(training_device())
    return training


def _train(
    params: TrainParameters,
    training: Training,
    images: _Images,
    checkpoints: Checkpoints,
    processes: Processes,
    log: LogMetrics,
) -> list[LossPoint]:
    total_steps = params.total_steps
    point_steps = max(total_steps // LOSS_POINTS, 1)
    checkpoint_steps = max(params.checkpoint_images // (params.batch_size * point_steps), 1) * point_steps
    done_steps, points = _resumed(training, checkpoints, processes)
    progress = Progress("train", total_steps * params.batch_size, "images", done_steps * params.batch_size)
    since_point: list[dict[str, Tensor]] = []
    for step in range(done_steps + 1, total_steps + 1):
        stream = random_stream(params.seed, "step", step)
        x_BCHW, kinds_B = images.batch(params.batch_size, stream)
        since_point.append(training.step(x_BCHW, step, stream, kinds_B))
        if step % point_steps == 0 or step == total_steps:
            points.append(_loss_point(since_point, step * params.batch_size))
            since_point.clear()
            log(points[-1].losses, points[-1].images)
        if not processes.leads:
            continue
        if step % checkpoint_steps == 0 or step == total_steps:
            _save_samples(checkpoints.samples, training, step * params.batch_size)
            checkpoints.save(training, step, points)
        progress.advance(params.batch_size, _note(points))
    return points


@contextmanager
def _memory_said(what: str) -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        if not is_of_memory(error):
            raise
        raise UserError(f"{what} need more memory than the device has; lower the number or the size") from error


def _resumed(training: Training, checkpoints: Checkpoints, processes: Processes) -> tuple[int, list[LossPoint]]:
    """Restore the last checkpoint in every process; return the number of steps done and the losses so far."""
    with processes.leader_first():
        done_steps, points = checkpoints.load(training)
    if not processes.agree(int(digest([checkpoints.fingerprint, done_steps])[:15], 16)):
        raise UserError(
            "train: the processes found different packages or checkpoints; all computers must share both folders"
        )
    return done_steps, points


def _loss_point(steps: list[dict[str, Tensor]], images: int) -> LossPoint:
    losses = {name: float(torch.stack([step[name] for step in steps]).mean()) for name in steps[0]}
    if not all(map(math.isfinite, losses.values())):
        raise UserError(f"train: the losses are not finite after {images} images; lower the learning rate")
    return LossPoint(images, losses)


def _note(points: list[LossPoint]) -> str:
    if not points:
        return ""
    return "  ".join(f"{name} {loss:.2f}" for name, loss in points[-1].losses.items())


def _save_samples(folder: Path, training: Training, images: int) -> None:
    generator = training.generator.eval()
    samples = image_grid(generate(generator, SAMPLES_IN_GRID, seed=0))
    generator.train()
    write_png(folder / f"{images:09d}.png", samples)


def _write_report(report: Path, points: list[LossPoint], samples: Path) -> None:
    with atomic_folder(report, REPORT) as partial:
        shutil.copytree(samples, partial / SAMPLES)
        with (partial / LOSSES).open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(["images", *points[0].losses])
            writer.writerows([point.images, *point.losses.values()] for point in points)
