"""Uniform draws from each class that leave none of them out, with probabilities known exactly.

Of a class's N rows those with a draw below r are kept, and the one with the smallest draw where
that is below s. With s = 1 each row is kept with probability

    pi = r + (1 - r)^N / N,

the second term being that of the smallest of N draws when none is below r; r N + (1 - r)^N = pi N
has a solution where pi N >= 1. Else r = 0, and pi = (1 - (1 - s)^N) / N gives s. Either way a
smaller pi keeps a subset of a larger one's rows.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_HALVINGS = 60
_FOR_SURE = 45.0  # e^-45 is below the rounding of a probability


def draw_bounds(pi: Floats, counts: NDArray[np.int64]) -> tuple[Floats, Floats]:
    """Bounds r on all draws and s on the smallest that give rows the probability pi, shape (K,).

    Parameters
    ----------
    pi : of the rows of each class, above 0. counts : rows of each class, N.

    >>> r, s = draw_bounds(np.array([0.5, 0.625, 1.0, 0.375]), np.array([2, 2, 3, 2]))
    >>> r.round(9).tolist(), s.round(9).tolist()
    ([0.0, 0.5, 1.0, 0.0], [1.0, 1.0, 1.0, 0.5])
    """
    wanted = pi * counts
    # r N + (1 - r)^N rises with r, from 1 at 0; at pi it is too large by (1 - pi)^N.
    low, high = np.zeros(len(pi)), np.minimum(pi, np.nextafter(1.0, 0.0))
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        above = middle * counts + np.exp(counts * np.log1p(-middle)) > wanted
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    r = np.where((pi >= 1) | (wanted > _FOR_SURE), np.minimum(pi, 1.0), low)
    r[wanted <= 1] = 0.0
    # A budget of one row over N, times N, may be just below 1.
    promised = wanted >= 1 - 1e-9
    s = -np.expm1(np.log1p(-np.where(promised, 0.0, wanted)) / np.maximum(counts, 1))
    return r, np.where(promised, 1.0, s)


class Smallest:
    """The smallest draw of each class so far; classes are numbered as they came.

    >>> smallest = Smallest()
    >>> smallest.add(np.array([0, 1, 0]), np.array([0.3, 0.9, 0.2])).tolist()
    [False, True, True]
    >>> smallest.add(np.array([0, 1]), np.array([0.25, 0.1])).tolist()
    [False, True]
    """

    def __init__(self) -> None:
        self.draws: Floats = np.full(0, np.inf)

    def add(self, places: NDArray[np.int64], draws: Floats) -> NDArray[np.bool_]:
        """Take rows in; gives those that are the smallest of their class now, shape (n,)."""
        more = int(places.max(initial=-1)) + 1 - len(self.draws)
        self.draws = np.pad(self.draws, (0, max(more, 0)), constant_values=np.inf)
        np.minimum.at(self.draws, places, draws)
        return np.asarray(draws == self.draws[places])
