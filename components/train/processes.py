"""Training by several processes: which of them this one is, how they find each other, and how a program starts them.

torchrun starts the processes and tells them by environment variables who they are; on a GPU they exchange tensors by
NCCL, else by gloo.
"""

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Any

import torch
from torch import distributed
from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from fabgan.model.processes import Processes

from ..core.cores import usable_cores
from ..core.errors import UserError
from .devices import training_device

TIMEOUT = timedelta(minutes=10)
"""How long a process waits for another, which may be writing a checkpoint, before it gives up."""
LOOPBACK = "lo"
PR_SET_PDEATHSIG = 1


def launched() -> Processes:
    """Return which process this is of how many that torchrun has started; the only one without torchrun."""
    count = int(os.environ.get("WORLD_SIZE", 1))
    return Processes(int(os.environ["RANK"]) if count > 1 else 0, count)


def end_with_torchrun() -> None:
    """Let torchrun, which stops all when one has failed, stop this process in good order, by ConnectionError.

    If torchrun itself is gone, Linux kills the process: left over, it would train on beside its successor.
    """
    signal.signal(signal.SIGTERM, _stopped)
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _stopped(number: int, frame: FrameType | None) -> None:
    raise ConnectionError("torchrun stops this process: it was told to, or another one has failed")


@contextmanager
def joined(processes: Processes) -> Iterator[None]:
    """Let the processes exchange tensors inside the block, at whose end they wait for each other.

    Raises UserError where they do not find each other.
    """
    if processes.count == 1:
        yield
        return
    device = training_device()
    if device.type == "cuda":
        torch.cuda.set_device(device)
    elif _on_one_computer(processes):
        _stay_on_this_computer()
    backend = "nccl" if device.type == "cuda" else "gloo"
    try:
        store = _store(processes)
        distributed.init_process_group(backend, None, TIMEOUT, processes.count, processes.rank, store)
    except RuntimeError as error:
        raise UserError(f"train: the {processes.count} processes did not find each other: {error}") from error
    yield
    processes.wait()
    distributed.destroy_process_group()


def launch(processes: int, arguments: Sequence[str]) -> None:
    """Run `python -m` with these arguments in so many processes of this computer, which share its cores.

    Their output is this one's. Raises UserError where any of them failed, and said why.
    """
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}", "-m"]
    threads = max(min(usable_cores() // processes, int(os.environ.get("OMP_NUM_THREADS", usable_cores()))), 1)
    environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
    status = subprocess.run([*torchrun, *arguments], env=environment, check=False).returncode  # noqa: S603
    if status != 0:
        raise UserError(f"{' '.join(arguments[:2])}: one of {processes} processes failed; its own message is above")


def _on_one_computer(processes: Processes) -> bool:
    return os.environ.get("LOCAL_WORLD_SIZE") == str(processes.count)


def _store(processes: Processes) -> Any:
    """Return the place where the processes tell each other their addresses, without those of an earlier attempt.

    torchrun keeps it when it starts the processes anew (pytorch issue 135712). Only on one computer does its count of
    attempts tell them apart.
    """
    store, _, _ = next(rendezvous("env://", timeout=TIMEOUT))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return PrefixStore(attempt, store) if _on_one_computer(processes) else store


def _stay_on_this_computer() -> None:
    """Let gloo use the loopback interface: it needs no name or address of this computer, and nobody can listen."""
    if LOOPBACK in (name for _, name in socket.if_nameindex()):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)
