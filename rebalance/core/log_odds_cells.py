"""Outcomes by log odds, summed in narrow cells: those of a table of any size take 6 MB.

Each cell keeps, of either class, the weight, its square and the mean log odds. A function of the
log odds that is summed over the rows is then off by its curvature times the square of a cell's
width over 24, a few parts in 10^8; differences between rows that share a cell are all that is lost.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rebalance.errors import DataError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

LOWEST = -64.0  # log odds beyond +-64, a probability of 1e-28, share the cell at that end
PER_UNIT = 1024
CELLS = int(-2 * LOWEST * PER_UNIT)


@dataclass(frozen=True)
class Outcomes:
    """What happened at which log odds; one entry, of k, for each cell and class that has weight.

    cell : shape (k,), rising; entries of the two classes may share one.
    log_odds : shape (k,), the weighted mean of the entry's rows.
    y_true : shape (k,), the class.
    weight, squared : shape (k,), sums of the weights and of their squares.
    rows, positives : how many rows were added.
    weighted : whether rows had weights of their own.
    """

    cell: NDArray[np.int64]
    log_odds: Floats
    y_true: Bools
    weight: Floats
    squared: Floats
    rows: int
    positives: int
    weighted: bool

    def moved(self, log_odds: Floats) -> Outcomes:
        """The same outcomes at other log odds, shape (k,)."""
        return replace(self, log_odds=log_odds)


class OutcomeSums:
    """Takes rows in, in their order; how they are cut into batches changes no bit of the sums."""

    def __init__(self) -> None:
        self._sums = np.zeros((3, 2 * CELLS))  # weight, its square, weight times log odds
        self._rows = self._positives = 0
        self._weighted = False

    def add(self, y_true: Bools, log_odds: Floats, sample_weight: Floats | None = None) -> None:
        """Add rows: arrays of shape (n,); no weights count as 1 each.

        Raises
        ------
        DataError : log odds that are not finite.
        """
        strange = ~np.isfinite(log_odds)
        if strange.any():
            raise DataError(
                "the model gives log odds that are not finite",
                remedy="look for extreme values in that row's features",
                row=int(np.argmax(strange)),
            )
        place = np.floor((log_odds - LOWEST) * PER_UNIT).clip(0, CELLS - 1).astype(np.int64)
        place = 2 * place + y_true
        weight = np.ones(len(log_odds)) if sample_weight is None else sample_weight
        # One after the other, so that no sum depends on where a batch begins.
        for sums, what in zip(self._sums, (weight, weight**2, weight * log_odds), strict=True):
            np.add.at(sums, place, what)
        self._rows += len(log_odds)
        self._positives += int(np.count_nonzero(y_true))
        self._weighted |= sample_weight is not None

    def absorb(self, other: OutcomeSums) -> None:
        """Add the rows that another has taken in."""
        self._sums += other._sums
        self._rows += other._rows
        self._positives += other._positives
        self._weighted |= other._weighted

    def outcomes(self) -> Outcomes:
        """All that was added."""
        place = np.flatnonzero(self._sums[0] > 0)
        weight, squared, moment = self._sums[:, place]
        return Outcomes(
            place // 2,
            moment / weight,
            place % 2 == 1,
            weight,
            squared,
            self._rows,
            self._positives,
            self._weighted,
        )


def merged(parts: Iterable[OutcomeSums]) -> OutcomeSums:
    """The rows of all parts, which stay as they are."""
    whole = OutcomeSums()
    for part in parts:
        whole.absorb(part)
    return whole


def gather(y_true: Bools, log_odds: Floats, sample_weight: Floats | None = None) -> Outcomes:
    """The outcomes of rows in memory.

    >>> found = gather(np.array([False, True, False]), np.array([-2.0, 0.5, -2.0]))
    >>> found.log_odds.tolist(), found.y_true.tolist(), found.weight.tolist()
    ([-2.0, 0.5], [False, True], [2.0, 1.0])
    """
    sums = OutcomeSums()
    sums.add(y_true, log_odds, sample_weight)
    return sums.outcomes()
