"""Checkpoints of a training run: networks, Adam's moments, progress and losses, in one file without pickle."""

import hashlib
import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..artifacts.generator import SEEN
from ..artifacts.tensors import save_tensors
from ..core.locks import alone
from ..core.log import logger
from .variants import Training

FILE_NAME = "checkpoint.safetensors"
LOCK = "checkpoint.lock"
"""A file beside the checkpoint that is locked while a run writes the folder."""
DIGEST = "sha256"
"""Key of the metadata for the digest of everything else in the file."""


@dataclass(frozen=True)
class LossPoint:
    """Mean losses over the steps since the last point; `images` real images have been shown so far."""

    images: int
    losses: dict[str, float]


@dataclass(frozen=True)
class Checkpoints:
    """The checkpoint and the sample grids of one training run, in a folder of its own below `root`.

    Only a run with the same `fingerprint` (parameters, data and code) resumes from it. Of several processes, the one
    that `leads` writes the folder and the messages. The others only read.
    """

    root: Path
    fingerprint: str
    leads: bool = True
    seen: Sequence[str] | None = None
    """`packages.photographs` that the weights were trained with. None if that is not known."""

    @property
    def folder(self) -> Path:
        """The run's own folder."""
        return self.root / self.fingerprint[:16]

    @property
    def samples(self) -> Path:
        """The folder of the sample grids."""
        return self.folder / "samples"

    @contextmanager
    def written_alone(self) -> Iterator[None]:
        """Keep others from writing the folder in the block. Raises UserError if another process does."""
        busy = f"{self.folder}: another process trains the same; wait until it ends, or stop it"
        with alone(self.folder, busy, LOCK) if self.leads else nullcontext():
            yield

    def save(self, training: Training, step: int, points: list[LossPoint]) -> None:
        """Replace the checkpoint by the state after `step` training steps."""
        progress = {"step": step, "points": [(p.images, p.losses) for p in points]}
        notes, tensors = {"progress": json.dumps(progress), SEEN: json.dumps(self.seen)}, _tensors(training)
        save_tensors(self.folder / FILE_NAME, tensors, notes | {DIGEST: _digest(tensors, notes)})

    def load(self, training: Training) -> tuple[int, list[LossPoint]]:
        """Restore `training` from the last checkpoint; return the number of steps done and the losses so far.

        Without a usable checkpoint, its file and the samples are removed, `training` is left unchanged, and 0 steps are
        done.
        """
        path = self.folder / FILE_NAME
        if path.is_file():
            try:
                tensors, notes = _read(path)
                progress = json.loads(notes["progress"])
                _restore(training, tensors)
                self._log(f"resuming after step {progress['step']} from {path}")
                return progress["step"], [LossPoint(*point) for point in progress["points"]]
            except (KeyError, ValueError) as error:
                self._log(f"{path} is damaged ({error}): starting again from step 0")
        elif any(self.root.glob(f"*/{FILE_NAME}")):
            self._log(
                f"the checkpoints in {self.root} belong to other parameters, data or code, or to another type of "
                "processor: starting from step 0 (the learning rates depend on total_images; train.start_from takes "
                "the weights of one of them)"
            )
        if self.leads:
            path.unlink(missing_ok=True)
            shutil.rmtree(self.samples, ignore_errors=True)
        return 0, []

    def _log(self, message: str) -> None:
        if self.leads:
            logger("train").info(message)


def content_of(path: Path) -> tuple[dict[str, dict[str, Tensor]], list[str] | None]:
    """Return the weights of each network in a checkpoint, and `Checkpoints.seen` of it.

    Raises OSError or ValueError for a damaged file.
    """
    tensors, notes = _read(path)
    names = {key.partition("/")[0] for key in tensors}
    return {name: _below(tensors, f"{name}/network/") for name in names}, json.loads(notes.get(SEEN, "null"))


def _read(path: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the tensors and the metadata of a checkpoint. Those of earlier versions have no digest."""
    try:
        with safe_open(path, framework="pt") as file:
            notes: dict[str, str] = file.metadata() or {}
            tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(str(error)) from error
    if DIGEST in notes and notes.pop(DIGEST) != _digest(tensors, notes):
        raise ValueError("its content differs from its sha256")
    return tensors, notes


def _digest(tensors: Mapping[str, Tensor], notes: Mapping[str, str]) -> str:
    found = hashlib.sha256(json.dumps(notes, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        found.update(name.encode())
        found.update(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return found.hexdigest()


def _tensors(training: Training) -> dict[str, Tensor]:
    tensors = {}
    for name, network in training.networks.items():
        for key, value in network.state_dict().items():
            tensors[f"{name}/network/{key}"] = value
    for name, optimizer in training.optimizers.items():
        for index, state in optimizer.state_dict()["state"].items():
            for key, value in state.items():
                tensors[f"{name}/adam/{index}/{key}"] = value
    return tensors


def _restore(training: Training, tensors: dict[str, Tensor]) -> None:
    for name, network in training.networks.items():
        network.load_state_dict(_below(tensors, f"{name}/network/"))
    for name, optimizer in training.optimizers.items():
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in _below(tensors, f"{name}/adam/").items():
            index, field = key.split("/")
            weight = weights[int(index)]
            # Moments lie in memory as their weights do. Otherwise each training step takes longer than before the kill.
            moment = torch.empty_like(weight).copy_(value) if value.shape == weight.shape else value
            state.setdefault(int(index), {})[field] = moment
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
