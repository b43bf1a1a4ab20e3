"""Checkpoints of a training run: networks, Adam's moments, progress and losses, in one file without pickle."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file
from torch import Tensor

from ..artifacts.generator import SEEN
from ..artifacts.tensors import save_tensors
from ..core.log import logger
from .variants import Training

FILE_NAME = "checkpoint.safetensors"


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

    def save(self, training: Training, step: int, points: list[LossPoint]) -> None:
        """Replace the checkpoint by the state after `step` training steps."""
        progress = {"step": step, "points": [(p.images, p.losses) for p in points]}
        notes = {"progress": json.dumps(progress), SEEN: json.dumps(self.seen)}
        save_tensors(self.folder / FILE_NAME, _tensors(training), notes)

    def load(self, training: Training) -> tuple[int, list[LossPoint]]:
        """Restore `training` from the last checkpoint; return the number of steps done and the losses so far.

        Without a usable checkpoint, the run's folder is emptied, `training` is left unchanged, and 0 steps are done.
        """
        path = self.folder / FILE_NAME
        if path.is_file():
            try:
                with safe_open(path, framework="pt") as file:
                    progress = json.loads(file.metadata()["progress"])
                    _restore(training, {key: file.get_tensor(key) for key in file.keys()})  # noqa: SIM118
                self._log(f"resuming after step {progress['step']} from {path}")
                return progress["step"], [LossPoint(*point) for point in progress["points"]]
            except (SafetensorError, KeyError, ValueError) as error:
                self._log(f"{path} is damaged ({error}): starting again from step 0")
        elif any(self.root.glob(f"*/{FILE_NAME}")):
            self._log(
                f"the checkpoints in {self.root} belong to other parameters, data or code: starting from step 0 "
                "(the learning rates depend on total_images; train.start_from takes the weights of one of them)"
            )
        if self.leads:
            shutil.rmtree(self.folder, ignore_errors=True)
        return 0, []

    def _log(self, message: str) -> None:
        if self.leads:
            logger("train").info(message)


def weights_of(path: Path) -> dict[str, dict[str, Tensor]]:
    """Return the weights of each network in a checkpoint. Raises OSError or SafetensorError for a damaged file."""
    tensors = load_file(path)
    names = {key.partition("/")[0] for key in tensors}
    return {name: _below(tensors, f"{name}/network/") for name in names}


def seen_of(path: Path) -> list[str] | None:
    """Return `Checkpoints.seen` of a checkpoint. Raises OSError or SafetensorError for a damaged file."""
    with safe_open(path, framework="pt") as file:
        seen: list[str] | None = json.loads((file.metadata() or {}).get(SEEN, "null"))
    return seen


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
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in _below(tensors, f"{name}/adam/").items():
            index, field = key.split("/")
            state.setdefault(int(index), {})[field] = value
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {key.removeprefix(prefix): value for key, value in tensors.items() if key.startswith(prefix)}
