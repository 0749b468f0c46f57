"""Work on many things in several threads, the results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import pyarrow as pa

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 2  # results a thread may be ahead of whoever takes them


def in_order(
    work: Callable[[T], R], things: Iterable[T], threads: int | None = None
) -> Iterator[R]:
    """The results of `work` in the order of `things`, which are taken as threads fall free.

    So many threads as `threads`, or as pyarrow was told to use. Memory is bounded: no more than a
    few results wait. What `work` raises is raised here, and the rest is not begun.
    """
    count = threads or pa.cpu_count()
    if count == 1:
        yield from map(work, things)
        return
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(count)
    try:
        for thing in things:
            waiting.append(pool.submit(work, thing))
            if len(waiting) >= count * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
