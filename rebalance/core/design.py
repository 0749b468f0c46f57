"""The design of a sample: everything that determines with which probability a row is kept.

    pi_0(x) = min(max(A R + (1 - A) c t(x), floor), 1),    R = budget / N_0

t is the score, A the share of uniform sampling (`mix`), and c solves sum pi_0(x_i) = budget over
all N_0 negatives. Positives are all kept, pi_1 = 1 (Wang, Zhang and Wang 2021, arXiv 2110.13048).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.labels import Label
from rebalance.errors import UsageError

Floats = NDArray[np.float64]

_BINS_PER_UNIT = 8192
_LOWEST = -700.0


@dataclass(frozen=True)
class Budget:
    """How many rows to keep, said in one of three ways.

    rate : share of the negatives; ratio : negatives per positive; rows : rows of both classes.
    """

    rate: float | None = None
    ratio: float | None = None
    rows: int | None = None

    def negatives(self, positives: int, negatives: int) -> float:
        """The expected number of negatives to keep.

        Raises
        ------
        UsageError : the table does not have so many, or the number is not above 0.
        """
        if self.rate is not None:
            budget, asked = self.rate * negatives, f"--rate {self.rate:g}"
        elif self.ratio is not None:
            budget, asked = self.ratio * positives, f"--ratio {self.ratio:g}"
        else:
            budget, asked = float((self.rows or 0) - positives), f"--rows {self.rows}"
        if budget <= 0:
            raise UsageError(
                f"{asked} leaves no negatives: the {positives:,} positives are all kept",
                remedy=f"ask for --rows {positives + 1} to {positives + negatives}"
                if self.rows is not None
                else "ask for more than 0",
            )
        if budget > negatives * (1 + 1e-12):
            raise UsageError(
                f"{asked} asks for {budget:,.0f} negatives and there are {negatives:,}",
                remedy="the most that is possible is --rate 1, "
                f"--ratio {negatives / positives:.6g} or --rows {positives + negatives}",
            )
        return min(budget, float(negatives))


class ScoreHistogram:
    """Counts of log t in bins so fine that c comes out exact to 1e-4; merges in any order."""

    def __init__(self) -> None:
        self._counts = np.zeros(int(-_LOWEST) * _BINS_PER_UNIT + 1, dtype=np.int64)

    def add(self, log_score: Floats) -> None:
        """Count scores; log t is at most 0, as t is a probability."""
        inside = np.clip(log_score, _LOWEST, 0.0)
        bins = np.floor((inside - _LOWEST) * _BINS_PER_UNIT).astype(np.int64)
        if len(bins):
            first, last = int(bins.min()), int(bins.max())
            self._counts[first : last + 1] += np.bincount(bins - first)

    def solve(self, budget: float, floor: float, mix: float) -> float:
        """The c for which the inclusion probabilities of all scores counted sum to `budget`.

        Every bin stands for its middle, so the sum is off by less than half a bin, 6.1e-5
        relative.
        """
        filled = np.flatnonzero(self._counts)
        score = np.exp((filled + 0.5) / _BINS_PER_UNIT + _LOWEST)
        counts = self._counts[filled].astype(np.float64)
        rate = budget / counts.sum()

        def kept(log_c: float) -> float:
            pi = np.clip(mix * rate + (1 - mix) * np.exp(log_c) * score, floor, 1.0)
            return float(counts @ pi)

        low, high = np.log(rate) - 1.0, 1.0 - np.log(score.min())
        for _ in range(200):
            middle = 0.5 * (low + high)
            if kept(middle) < budget:
                low = middle
            else:
                high = middle
        return float(np.exp(0.5 * (low + high)))


@dataclass(frozen=True)
class Design:
    """How a sample was drawn. `rate` is budget / N_0; counts are rows of the population."""

    method: str
    score: str
    rate: float
    c: float
    floor: float
    mix: float
    seed: int
    label: Label
    positives: int
    negatives: int
    drop: tuple[str, ...] = ()
    key: str | None = None
    sample_weight: str | None = None
    pilot_digest: str | None = None

    @property
    def population_log_odds(self) -> float:
        """log(N_1 / N_0)."""
        return float(np.log(self.positives / self.negatives))

    def pi_0(self, log_score: Floats) -> Floats:
        """The probability with which a negative of this score is kept, shape (n,)."""
        if self.score == "uniform":
            return np.full(len(log_score), self.rate)
        part = (1 - self.mix) * self.c * np.exp(log_score)
        return np.clip(self.mix * self.rate + part, self.floor, 1.0)

    def to_document(self) -> dict[str, Any]:
        """The design as JSON."""
        return asdict(self)

    @classmethod
    def from_document(cls, document: Mapping[str, Any]) -> Design:
        """The design that `to_document` described."""
        fields = {name: document[name] for name in cls.__dataclass_fields__}
        fields["label"] = Label.from_document(fields["label"])
        fields["drop"] = tuple(fields["drop"])
        return cls(**fields)
