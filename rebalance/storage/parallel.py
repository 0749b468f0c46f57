"""Work on many things in several threads, the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from itertools import islice
from typing import TypeVar

import pyarrow as pa

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 2  # results a thread may be ahead of whoever takes them
_READ_AHEAD = 2  # things that are made before they are asked for


class _End:
    """What comes after the last thing."""


_END = _End()


def in_order(
    work: Callable[[T], R], things: Iterable[T], threads: int | None = None
) -> Iterator[R]:
    """The results of `work` in the order of `things`, which are taken as threads fall free.

    So many threads as `threads`, or as pyarrow was told to use, and one more that makes the things.
    Memory is bounded: no more than a few things and results wait. What `work` raises is raised
    here, and the rest is not begun.
    """
    count = threads or pa.cpu_count()
    if count == 1:
        yield from map(work, things)
        return
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(count)
    try:
        with closing(made_ahead(things)) as ahead:
            # The first one before any thread begins: two that import the same libraries at the
            # same time may wait for each other for ever.
            yield from map(work, islice(ahead, 1))
            for thing in ahead:
                waiting.append(pool.submit(work, thing))
                if len(waiting) >= count * _AHEAD:
                    yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def made_ahead(things: Iterable[T], count: int = _READ_AHEAD) -> Generator[T]:
    """The same things, made by another thread, at most `count` before they are asked for.

    What making them raises is raised here. When nobody asks any more, no further ones are made.
    """
    source = iter(things)
    pool = ThreadPoolExecutor(1)  # one: each thing is made after the one before
    waiting = deque(pool.submit(next, source, _END) for _ in range(count))
    try:
        while not isinstance(thing := waiting.popleft().result(), _End):
            waiting.append(pool.submit(next, source, _END))
            yield thing
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
        if isinstance(source, Generator):
            source.close()
