"""Work in threads: in order, bounded, and over when something goes wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from rebalance.storage.parallel import in_order


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order(threads: int) -> None:
    def work(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(in_order(work, range(40), threads)) == [number * number for number in range(40)]


def test_several_threads_work_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=20)
    assert list(in_order(lambda _: together.wait() >= 0, range(3), 3)) == [True] * 3


def test_things_are_taken_only_as_results_are() -> None:
    taken = 0

    def things() -> Iterator[int]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    results = in_order(lambda number: number, things(), 2)
    assert next(results) == 0
    assert taken <= 4
    results.close()


@pytest.mark.parametrize("threads", [1, 3])
def test_what_work_raises_is_raised_and_the_rest_is_not_begun(threads: int) -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 5:
            raise ValueError("five")
        return number

    with pytest.raises(ValueError, match="five"):
        list(in_order(work, range(100), threads))
    assert len(begun) < 20
    assert threading.active_count() == 1 or threads == 1
