"""Nonuniform negative sampling: a negative is kept in proportion to the pilot's probability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.correction import log_probability
from rebalance.core.kinds import Kind

Floats = NDArray[np.float64]


class ScoringPilot(Protocol):
    """What scoring needs of a pilot."""

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The columns it reads, by kind."""

    def log_odds(self, columns: Mapping[str, pa.Array]) -> Floats:
        """The population's log odds at every row, shape (n,)."""

    def surprises(self, columns: Mapping[str, pa.Array]) -> dict[str, int]:
        """Values it has no place for, by column."""


class Nonuniform:
    """The score t(x) is the pilot's probability (Wang, Zhang and Wang 2021, section 4)."""

    name = "nonuniform"
    score = "probability"

    def __init__(self, pilot: ScoringPilot) -> None:
        self._pilot = pilot

    @property
    def kinds(self) -> Mapping[str, Kind]:
        """The columns it reads, by kind."""
        return self._pilot.kinds

    def rank(self, columns: Mapping[str, pa.Array], rows: int) -> Floats:
        """The pilot's log odds g of every row, shape (rows,): p = e^g / (1 + e^g) <= e^g."""
        return self._pilot.log_odds(columns)

    def log_score(self, rank: Floats) -> Floats:
        """log t of rows of these log odds, shape (n,)."""
        return log_probability(rank)

    def surprises(self, columns: Mapping[str, pa.Array]) -> dict[str, int]:
        """Values that the pilot has no place for, by column."""
        return self._pilot.surprises(columns)
