"""Training by several processes: their numbers, how they find each other, and how a program starts them.

torchrun starts the processes and sets their numbers in environment variables. They exchange tensors by NCCL on GPUs,
and by gloo on CPUs.
"""

import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from types import FrameType
from typing import Any

import torch
from torch import distributed
from torch.distributed import PrefixStore  # type: ignore[attr-defined]
from torch.distributed.rendezvous import rendezvous

from fabgan.model.processes import Processes

from ..core.errors import UserError
from ..core.signals import end_with_parent
from .devices import training_device

TIMEOUT = timedelta(minutes=10)
"""How long a process waits for another one, which may be writing a checkpoint, before it fails."""
LOOPBACK = "lo"


def launched() -> Processes:
    """Return the number of this process, and how many torchrun has started. Without torchrun, it is the only one."""
    count = int(os.environ.get("WORLD_SIZE", 1))
    return Processes(int(os.environ["RANK"]) if count > 1 else 0, count)


def end_with_torchrun() -> None:
    """Raise ConnectionError in this process when torchrun stops it, so that it ends in good order.

    torchrun stops all processes when one has failed. If torchrun itself has died, Linux kills the process. Otherwise it
    would continue beside the process that replaces it.
    """
    signal.signal(signal.SIGTERM, _stopped)
    end_with_parent(signal.SIGKILL)


def _stopped(number: int, frame: FrameType | None) -> None:
    raise ConnectionError("torchrun stops this process: it was stopped itself, or another process has failed")


@contextmanager
def joined(processes: Processes) -> Iterator[None]:
    """Connect the processes, so that they can exchange tensors inside the block. At its end they wait for each other.

    Raises UserError if they do not find each other.
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


def _on_one_computer(processes: Processes) -> bool:
    return os.environ.get("LOCAL_WORLD_SIZE") == str(processes.count)


def _store(processes: Processes) -> Any:
    """Return the store where the processes exchange their addresses, without the addresses of an earlier attempt.

    torchrun keeps the store when it restarts the processes (pytorch issue 135712). On one computer, its count of
    attempts separates the addresses. On several computers it does not.
    """
    store, _, _ = next(rendezvous("env://", timeout=TIMEOUT))
    attempt = os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")
    return PrefixStore(attempt, store) if _on_one_computer(processes) else store


def _stay_on_this_computer() -> None:
    """Make gloo use the loopback interface: it needs no host name, and the traffic stays on this computer."""
    if LOOPBACK in (name for _, name in socket.if_nameindex()):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK)
