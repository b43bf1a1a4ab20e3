"""Work on several tensors at a time, with one core each."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice
from typing import TypeVar

import torch

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST_THREADS = 8
MOST_VALUES = 16 * 1024 * 1024
"""Each thread needs memory for what it works on, so there are fewer threads for large items."""


def in_parallel(
    work: Callable[[Item], Result],
    items: Iterable[Item],
    values_of: Callable[[Item], int] = lambda _: 1,
    *,
    gpu: bool = False,
) -> Generator[Result, None, None]:
    """Yield what `work` returns for each item, in order.

    There is a thread for each core that torch may use, at most `MOST_THREADS`. Together they hold `MOST_VALUES`, if
    every item has as many as `values_of` the first one. Each thread keeps to one core: cores that share every operation
    of a network wait for each other most of the time, and round differently than one does. One item more than there are
    threads is under way while the caller waits for the first of them.

    Work for which a GPU is used, if there is one, is done in the caller's thread then.
    """
    left = iter(items)
    first = list(islice(left, 1))
    cores = torch.get_num_threads()
    threads = min(cores, MOST_THREADS, MOST_VALUES // max(map(values_of, first), default=1))
    if threads <= 1 or (gpu and torch.cuda.is_available()):
        yield from map(work, chain(first, left))
        return
    ahead = deque[Future[Result]]()
    pool = ThreadPoolExecutor(threads, "work", _keep_to_one_core)
    try:
        for item in chain(first, left):
            ahead.append(pool.submit(work, item))
            if len(ahead) > threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        # Whoever interrupts the work need not wait for what is under way.
        pool.shutdown(wait=False, cancel_futures=True)
        torch.set_num_threads(cores)  # The threads' setting would otherwise be that of every later thread too.


def _keep_to_one_core() -> None:
    """Limit a thread. Torch takes the number of the whole process when a thread asks first, and would do so later."""
    torch.get_num_threads()
    torch.set_num_threads(1)
