"""Counts of numbers in cells, in bounded memory: quantiles without a sort of all values.

A float64 as an integer that orders as the number does; numbers with the same leading bits share a
cell. Cells are as fine as `most` of them allow: a cell is one value while there are few different
ones, else values that agree to at least some 3 digits. How fine they are, what they count and their
least values depend on the values alone, not on order or batches.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Keys = NDArray[np.int64]

MOST = 65_536
_WAITING = 1 << 20
_MAGNITUDE = np.int64(0x7FFF_FFFF_FFFF_FFFF)


class ValueCells:
    """How many rows, or what weight of them, has each number, or about each."""

    def __init__(self, most: int = MOST) -> None:
        self._most = most
        self._shift = 0
        self._least: Keys = np.empty(0, dtype=np.int64)
        self._weight: Floats = np.empty(0)
        self._parts: list[tuple[Keys, Floats]] = []
        self._waiting = 0

    def add(self, values: Floats, weight: Floats | None = None) -> None:
        """Count values, shape (n,), none of which is missing; whole counts stay exact."""
        if not len(values):
            return
        keys = _keys(values)
        self._parts.append((keys, np.ones(len(keys)) if weight is None else weight))
        self._waiting += len(keys)
        if self._waiting >= _WAITING:
            self._merge()

    def edges(self, bins: int) -> list[float]:
        """The edges, rising, between so many bins of equal weight, each from its edge on.

        Edge k is the least value (of a cell) below which there is at least k / bins of the weight.
        Edges that fall together are one, so there are fewer bins where many values are the same.

        >>> cells = ValueCells()
        >>> cells.add(np.arange(1.0, 11.0))
        >>> cells.edges(5)
        [3.0, 5.0, 7.0, 9.0]
        """
        self._merge()
        below = np.concatenate([[0.0], np.cumsum(self._weight)])
        wanted = np.arange(1, bins) * below[-1]
        at = np.searchsorted(below[:-1] * bins, wanted)
        least = self._least[np.unique(at[at < len(self._least)])]
        return [float(edge) for edge in _numbers(least)]

    def _merge(self) -> None:
        """Put what waits into cells, as fine as there is room for."""
        if not self._parts:
            return
        least = np.concatenate([self._least, *(keys for keys, _ in self._parts)])
        weight = np.concatenate([self._weight, *(weights for _, weights in self._parts)])
        self._parts, self._waiting = [], 0
        order = np.argsort(least, kind="stable")
        least, weight = least[order], weight[order]
        while True:
            cells = least >> self._shift
            starts = np.flatnonzero(np.concatenate([[True], cells[1:] != cells[:-1]]))
            if len(starts) <= self._most:
                break
            self._shift += 1
        self._least, self._weight = least[starts], np.add.reduceat(weight, starts)


def _keys(values: Floats) -> Keys:
    bits = (values + 0.0).view(np.int64)  # -0.0 becomes 0.0
    return np.where(bits < 0, bits ^ _MAGNITUDE, bits)


def _numbers(keys: Keys) -> Floats:
    return np.where(keys < 0, keys ^ _MAGNITUDE, keys).view(np.float64)
