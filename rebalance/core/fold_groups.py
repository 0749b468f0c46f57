"""Folds of rows that must stay together, as all of an entity, or that follow each other in time."""

from __future__ import annotations

import heapq
from typing import Any

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


def group_folds(
    positives: Integers, rows: Integers, draws: NDArray[np.float64], count: int
) -> Integers:
    """The fold, 0 to `count` - 1, of each group of rows, as even as whole groups allow.

    Groups with most positives go first, each to the fold with fewest positives so far; then those
    without, the largest first, each to the fold with fewest rows. Draws decide between equals.

    Parameters
    ----------
    positives, rows, draws : of each group, shape (g,).

    >>> rows = np.array([4, 1, 1, 2])
    >>> group_folds(np.array([2, 1, 1, 0]), rows, np.array([0.1, 0.2, 0.3, 0.4]), 2).tolist()
    [0, 1, 1, 1]
    """
    folds = np.empty(len(rows), dtype=np.int64)
    order = np.lexsort((draws, -rows, -positives))
    with_positives = int((positives > 0).sum())
    # A fold's place in the queue: positives, rows, number; without positives to come rows lead.
    queue = [(0, 0, fold) for fold in range(count)]
    for group in order[:with_positives].tolist():
        held, total, fold = heapq.heappop(queue)
        folds[group] = fold
        heapq.heappush(queue, (held + int(positives[group]), total + int(rows[group]), fold))
    by_rows = [(total, fold) for _, total, fold in queue]
    heapq.heapify(by_rows)
    for group in order[with_positives:].tolist():
        total, fold = heapq.heappop(by_rows)
        folds[group] = fold
        heapq.heappush(by_rows, (total + int(rows[group]), fold))
    return folds


def time_blocks(times: NDArray[Any], count: int) -> Integers:
    """The block, 0 to `count` - 1, of each row: equal shares of the rows, cut between times.

    Rows of one time stay together, so that a block may be empty where there are few times.

    >>> time_blocks(np.array([5, 1, 1, 2, 3, 4]), 3).tolist()
    [2, 0, 0, 1, 1, 2]
    """
    ordered = np.sort(times)
    at = [round(len(times) * block / count) for block in range(1, count)]
    return np.asarray(np.searchsorted(ordered[at], times, side="right"), dtype=np.int64)
