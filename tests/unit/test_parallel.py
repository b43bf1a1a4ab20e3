"""Several items are worked on at a time, each by one core, and come back in order."""

import threading
import time
from collections.abc import Iterator

import pytest
import torch

from fabgan.components.artifacts.parallel import MOST_THREADS, MOST_VALUES, in_parallel

CORES = 3


@pytest.fixture(autouse=True)
def cores() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(CORES)
    yield
    torch.set_num_threads(before)


def test_nothing_is_made_of_nothing() -> None:
    assert list(in_parallel(abs, [], abs)) == []


def test_results_stand_in_the_order_of_the_items() -> None:
    def slower_for_the_first(number: int) -> int:
        time.sleep(0.02 * (number == 0))
        return number * number

    assert list(in_parallel(slower_for_the_first, range(10))) == [number * number for number in range(10)]


def test_as_many_items_as_cores_are_worked_on_at_a_time() -> None:
    together = threading.Barrier(CORES, timeout=30)
    assert len(list(in_parallel(lambda _: together.wait(), range(CORES)))) == CORES


def test_each_thread_keeps_to_one_core_and_the_caller_keeps_all_of_them() -> None:
    for threads in in_parallel(lambda _: torch.get_num_threads(), range(6)):
        assert (threads, torch.get_num_threads()) == (1, CORES)
    later = list[int]()
    thread = threading.Thread(target=lambda: later.append(torch.get_num_threads()))
    thread.start()
    thread.join()
    assert later == [CORES]


def test_threads_keep_to_one_core_when_work_that_feeds_them_ends_first() -> None:
    for _ in range(20):
        fed = in_parallel(lambda number: number, range(4))
        assert list(in_parallel(lambda _: at_rest_then_cores(), fed)) == [1] * 4


def at_rest_then_cores() -> int:
    time.sleep(0.002)
    return torch.get_num_threads()


def test_no_more_items_are_taken_ahead_than_there_are_threads() -> None:
    taken = list[int]()

    def items() -> Iterator[int]:
        for number in range(100):
            taken.append(number)
            yield number

    results = in_parallel(lambda number: number, items())
    for number in range(5):
        assert next(results) == number
        assert len(taken) <= number + 1 + CORES


def test_an_error_reaches_the_caller_and_nothing_more_is_begun() -> None:
    begun = list[int]()

    def fails(number: int) -> int:
        begun.append(number)
        raise ValueError(f"item {number}")

    with pytest.raises(ValueError, match="item 0"):
        list(in_parallel(fails, range(100)))
    assert len(begun) <= 2 * CORES + 1


def test_a_caller_that_has_enough_ends_the_work() -> None:
    begun = list[int]()
    results = in_parallel(begun.append, range(1000))
    next(results)
    results.close()
    assert len(begun) <= 2 * CORES + 1


def test_who_interrupts_does_not_wait_for_what_is_under_way() -> None:
    ending = threading.Event()

    def until_the_end(number: int) -> int:
        if number:
            ending.wait(60)
        return number

    results = in_parallel(until_the_end, range(10))
    assert next(results) == 0
    results.close()
    assert not ending.is_set()
    ending.set()


def test_a_single_core_works_in_the_callers_thread() -> None:
    torch.set_num_threads(1)
    assert set(in_parallel(lambda _: threading.get_ident(), range(3))) == {threading.get_ident()}


@pytest.mark.parametrize(
    ("values", "expected"), [(1, MOST_THREADS), (MOST_VALUES // 2, 2), (MOST_VALUES, 1), (2 * MOST_VALUES, 1)]
)
def test_many_cores_and_large_images_need_no_more_memory_than_a_few(values: int, expected: int) -> None:
    torch.set_num_threads(4 * MOST_THREADS)

    def name_of_thread(_: int) -> str:
        time.sleep(0.001)
        return threading.current_thread().name

    assert len(set(in_parallel(name_of_thread, range(200), lambda _: values))) == expected
