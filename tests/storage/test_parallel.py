"""Work in threads: in order, bounded, and over when something goes wrong."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from rebalance.storage.parallel import in_order, made_ahead


@pytest.mark.parametrize("threads", [1, 2, 5])
def test_results_come_in_order(threads: int) -> None:
    def work(number: int) -> int:
        time.sleep(0.002 * (number % 3))
        return number * number

    assert list(in_order(work, range(40), threads)) == [number * number for number in range(40)]


def test_several_threads_work_at_the_same_time() -> None:
    together = threading.Barrier(3, timeout=20)

    def work(number: int) -> bool:
        return number == 0 or together.wait() >= 0

    assert list(in_order(work, range(4), 3)) == [True] * 4


def test_the_first_is_worked_on_before_any_thread_begins() -> None:
    found = list(in_order(lambda _: threading.current_thread(), range(5), 2))
    assert found[0] is threading.main_thread()
    assert threading.main_thread() not in found[1:]


def test_things_are_taken_only_as_results_are() -> None:
    taken = 0

    def things() -> Iterator[int]:
        nonlocal taken
        for number in range(100):
            taken += 1
            yield number

    results = in_order(lambda number: number, things(), 2)
    assert next(results) == 0
    assert taken <= 8
    results.close()


@pytest.mark.parametrize("threads", [1, 3])
def test_what_work_raises_is_raised_and_the_rest_is_not_begun(threads: int) -> None:
    before = threading.active_count()
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        if number == 5:
            raise ValueError("five")
        return number

    with pytest.raises(ValueError, match="five"):
        list(in_order(work, range(100), threads))
    assert len(begun) < 20
    assert threading.active_count() == before


def test_things_are_made_before_they_are_asked_for_and_no_more_of_them() -> None:
    made: list[int] = []
    second = threading.Event()

    def things() -> Iterator[int]:
        try:
            for number in range(100):
                made.append(number)
                if number == 1:
                    second.set()
                yield number
        finally:
            made.append(-1)

    ahead = made_ahead(things(), 2)
    assert next(ahead) == 0
    assert second.wait(20)
    ahead.close()
    assert made[-1] == -1
    assert len(made) <= 5


def test_what_making_raises_comes_after_what_was_made() -> None:
    def things() -> Iterator[int]:
        yield 1
        raise ValueError("two")

    ahead = made_ahead(things())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="two"):
        next(ahead)
