"""Several processes that make one training step together, each with its share of the step's images.

All processes hold the same weights and draw the same random numbers for the whole batch. Each process weights its
gradients and losses by its share of the images. So their sum over the processes is that of the whole batch, and every
process makes the same update.

Dimensions: B batch, or the share of one process.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, distributed, nn


@dataclass(frozen=True)
class Processes:
    """One of `count` processes that divide a step's images evenly. A single process exchanges nothing.

    With several processes, every method that exchanges tensors needs torch's process group. All processes must call
    these methods in the same order. They raise ConnectionError if another process does not answer.
    """

    rank: int
    count: int

    @property
    def leads(self) -> bool:
        """Whether this process writes the files and the messages."""
        return self.rank == 0

    def share(self, batch: int, rank: int) -> slice:
        """Return which images of a batch belong to process `rank`."""
        size = batch // self.count
        return slice(rank * size, (rank + 1) * size)

    def of_all(self, own_B: Tensor) -> Tensor:
        """Return the values of all processes, in the order of the batch, without a graph."""
        if self.count == 1:
            return own_B
        own_B = own_B.contiguous()
        parts = [torch.empty_like(own_B) for _ in range(self.count)]
        with _answered():
            distributed.all_gather(parts, own_B)
        return torch.cat(parts)

    def add_up(self, losses: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return the sum of each loss, a scalar, over the processes."""
        totals = torch.stack(list(losses.values()))
        self._sum(totals)
        return dict(zip(losses, totals, strict=True))

    def add_up_gradients(self, *networks: nn.Module) -> None:
        """Replace the gradients of the networks' weights by their sums over the processes, one message per network."""
        if self.count == 1:
            return
        for network in networks:
            gradients = [weight.grad for weight in network.parameters() if weight.grad is not None]
            totals = torch.cat([gradient.flatten() for gradient in gradients])
            self._sum(totals)
            sizes = [gradient.numel() for gradient in gradients]
            for gradient, total in zip(gradients, torch.split(totals, sizes), strict=True):
                gradient.copy_(total.view_as(gradient))

    def agree(self, number: int) -> bool:
        """Return whether all processes pass the same integer, of less than 64 bits."""
        numbers = self.of_all(torch.tensor([number], device=self._device()))
        return bool((numbers == number).all())

    @contextmanager
    def leader_first(self) -> Iterator[None]:
        """Run the block in the leader first, then in all other processes."""
        if not self.leads:
            self.wait()
        yield
        if self.leads:
            self.wait()

    def wait(self) -> None:
        """Wait until every process has made this call."""
        made = torch.ones((), device=self._device())
        self._sum(made)
        with _answered():
            made.item()  # a GPU only queues the sum

    def _sum(self, values: Tensor) -> None:
        if self.count > 1:
            with _answered():
                distributed.all_reduce(values)

    def _device(self) -> torch.device:
        """Return the device for the tensors that the process group exchanges."""
        on_gpu = self.count > 1 and distributed.get_backend() == "nccl"
        return torch.device("cuda" if on_gpu else "cpu")


ALONE = Processes(rank=0, count=1)


@contextmanager
def _answered() -> Iterator[None]:
    try:
        yield
    except RuntimeError as error:
        raise ConnectionError("another process of this training has ended, or does not answer") from error
