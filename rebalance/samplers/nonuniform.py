"""Nonuniform negative sampling: a negative is kept in proportion to a score of the pilot's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.correction import log_probability
from rebalance.core.design import LOCAL
from rebalance.core.encoding import Encoder
from rebalance.core.kinds import Kind
from rebalance.core.norms import LogNorm, inverse, whitening
from rebalance.errors import DataError

Floats = NDArray[np.float64]

PROBABILITY = "probability"
# The matrix A of each score p~ ||A z||, from M = sum over the pilot's positives of z z'.
MATRICES: dict[str, Callable[[Floats], Floats | None]] = {
    "l-opt": lambda outer: None,
    "a-opt": inverse,
    "leverage": whitening,
}
SCORES = (PROBABILITY, *MATRICES, LOCAL)


class ScoringPilot(Protocol):
    """What scoring needs of a pilot."""

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The columns it reads, by kind."""

    @property
    def encoder(self) -> Encoder | None:
        """What makes z of the columns; None where z = (1, log odds)."""

    @property
    def positives_outer(self) -> Floats:
        """M, the sum over the pilot's positives of z z', shape (d, d)."""

    def log_odds(self, columns: Mapping[str, pa.Array]) -> Floats:
        """The population's log odds at every row, shape (n,)."""

    def surprises(self, columns: Mapping[str, pa.Array]) -> dict[str, int]:
        """Values it has no place for, by column."""


class Nonuniform:
    """The score t(x): the pilot's probability p~ alone, or times a length of the features z.

    `probability` p~ (also for local case-control); `l-opt` p~ ||z||; `a-opt` p~ ||M^-1 z||;
    `leverage` p~ sqrt(z' M^-1 z), which does not depend on the features' units. Wang, Zhang and
    Wang 2021, sections 3.2 and 4: a-opt makes the trace of the estimate's variance least, l-opt
    that of M times it.
    """

    name = "nonuniform"

    def __init__(self, pilot: ScoringPilot, score: str = PROBABILITY) -> None:
        self.score = score
        self._pilot = pilot
        self._norm: LogNorm | None = None
        if score in MATRICES:
            self._norm = LogNorm(pilot.encoder, MATRICES[score](pilot.positives_outer))

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The columns it reads, by kind."""
        return self._pilot.kinds

    def rank(self, columns: Mapping[str, pa.Array], rows: int) -> Floats:
        """Of t = p~ the log odds g, p = e^g / (1 + e^g) <= e^g; else log t; shape (rows,).

        Raises
        ------
        DataError : the pilot's log odds of a row are not finite.
        """
        log_odds = self._pilot.log_odds(columns)
        if not np.isfinite(log_odds).all():
            raise DataError(
                "the pilot's log odds are not finite",
                remedy="a number is far outside what the pilot was fitted on: mend it, or leave "
                "its column out of the pilot with --drop",
                row=int(np.argmin(np.isfinite(log_odds))),
            )
        if self._norm is None:
            return log_odds
        if self._pilot.encoder is None:
            return log_probability(log_odds) + self._norm.of_numbers(log_odds)
        return log_probability(log_odds) + self._norm.of_columns(columns)

    def log_score(self, rank: Floats) -> Floats:
        """log t of rows of these ranks, shape (n,)."""
        return log_probability(rank) if self._norm is None else rank

    def surprises(self, columns: Mapping[str, pa.Array]) -> dict[str, int]:
        """Values that the pilot has no place for, by column."""
        return self._pilot.surprises(columns)
