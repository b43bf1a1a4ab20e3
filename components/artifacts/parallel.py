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
MOST_PIXELS = 16 * 1024 * 1024
"""Each thread needs memory for what it works on, so together they work on no more pixels."""


def in_parallel(
    work: Callable[[Item], Result], items: Iterable[Item], pixels_of: Callable[[Item], int] = lambda _: 1
) -> Generator[Result, None, None]:
    """Yield what `work` returns for each item, in order.

    There is a thread for each core that torch may use, at most `MOST_THREADS`, and fewer for items as large as
    `pixels_of` the first one. Each thread keeps to one core: cores that share every operation of a network wait for
    each other most of the time, and round differently than one does. Items are taken as threads become free, and no
    further ahead than there are threads. A GPU is fed by one thread.
    """
    left = iter(items)
    first = list(islice(left, 1))
    cores = torch.get_num_threads()
    threads = _threads(cores, max(map(pixels_of, first), default=1))
    if threads <= 1:
        yield from map(work, chain(first, left))
        return
    ahead = deque[Future[Result]]()
    pool = ThreadPoolExecutor(threads, "work", torch.set_num_threads, (1,))
    try:
        for item in chain(first, left):
            ahead.append(pool.submit(work, item))
            if len(ahead) > threads:
                yield ahead.popleft().result()
        while ahead:
            yield ahead.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(cores)  # The threads' setting would otherwise be that of every later thread too.


def _threads(cores: int, pixels: int) -> int:
    return 1 if torch.cuda.is_available() else min(cores, MOST_THREADS, MOST_PIXELS // pixels)
