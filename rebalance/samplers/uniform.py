"""Uniform negative sampling: every negative is kept with the same probability."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from rebalance.core.kinds import Kind


class Uniform:
    """The score t(x) is 1."""

    name = "uniform"
    score = "uniform"
    kinds: Mapping[str, Kind] = {}

    def rank(self, columns: Mapping[str, pa.Array], rows: int) -> NDArray[np.float64]:
        """0 for every row, shape (rows,)."""
        return np.zeros(rows)

    def log_score(self, rank: NDArray[np.float64]) -> NDArray[np.float64]:
        """log t of every row, shape (n,)."""
        return rank

    def surprises(self, columns: Mapping[str, pa.Array]) -> dict[str, int]:
        """None: no column is read."""
        return {}
