"""What all replications came to: squared distances, paired comparisons, and the bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.benchmarks.paper.estimators import METHODS, PILOTS, PREDICTED, Replication
from tests.benchmarks.paper.populations import CASES

Floats = NDArray[np.float64]

OPTIMAL = METHODS.index("optimal, offset")
UNIFORM_WEIGHTED = METHODS.index("uniform, weighted")
FULL = METHODS.index("full")
RIVALS = [METHODS.index(name) for name in METHODS if name not in {"full", "combined"}]
SIGNIFICANT = 2.0  # paired standard errors


@dataclass(frozen=True)
class Difference:
    """log MSE of one method minus that of another, and its paired standard error."""

    log_ratio: float
    error: float


@dataclass(frozen=True)
class Verdict:
    """One comparison that a bar asks for."""

    pilot: str
    case: str
    budget: int
    rival: str
    found: Difference

    @property
    def holds(self) -> bool:
        """Not worse by more than two standard errors."""
        return self.found.log_ratio <= SIGNIFICANT * self.found.error


@dataclass(frozen=True)
class Results:
    """Arrays over cases and replications.

    estimates : shape (cases, replications, pilots, methods, budgets, 7).
    kept : likewise, negatives and positives at the end.
    predicted : shape (cases, replications, SOURCES, PREDICTED, budgets).
    information : shape (cases, replications, 7, 7).
    positives : shape (cases, replications).
    budgets : negatives to keep; rows : of a population, shape (1,).
    """

    estimates: Floats
    kept: Floats
    predicted: Floats
    information: Floats
    positives: Floats
    budgets: Floats
    rows: Floats

    @classmethod
    def of(
        cls, runs: Sequence[Sequence[Replication]], budgets: Sequence[int], rows: int
    ) -> Results:
        """The replications of each case."""
        names = ("estimates", "kept", "predicted", "information", "positives")
        stacked = {
            name: np.array([[getattr(one, name) for one in case] for case in runs], dtype=float)
            for name in names
        }
        return cls(**stacked, budgets=np.array(budgets, dtype=float), rows=np.array([float(rows)]))

    def save(self, path: Path) -> None:
        """All arrays in one file."""
        np.savez(path, **{each.name: getattr(self, each.name) for each in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Results:
        """What `save` wrote."""
        with np.load(path, allow_pickle=False) as stored:
            return cls(**{each.name: stored[each.name] for each in fields(cls)})

    @property
    def replications(self) -> int:
        """How many populations of each case."""
        return self.estimates.shape[1]

    @property
    def errors(self) -> Floats:
        """Estimates minus the truth."""
        truth = np.array([case.truth for case in CASES])
        return self.estimates - truth[:, None, None, None, None, :]

    @property
    def distances(self) -> Floats:
        """Squared distances to the truth, (cases, replications, pilots, methods, budgets)."""
        return (self.errors**2).sum(axis=-1)

    def log_mse(self) -> Floats:
        """log of the mean squared distance, shape (cases, pilots, methods, budgets)."""
        return np.log(self.distances.mean(axis=1))

    def difference(self, case: int, pilot: int, number: int, one: int, other: int) -> Difference:
        """log MSE of `one` minus that of `other`, at one budget."""
        distances = self.distances[case, :, pilot, :, number]
        return log_ratio(distances[:, one], distances[:, other])

    def fitted_bar(self) -> list[Verdict]:
        """Pilot as fitted: optimal, offset against the best that keeps no more than a sample."""
        best = self.log_mse()[:, 0, RIVALS].argmin(axis=1)
        return [
            self._verdict(case, 0, number, RIVALS[best[case, number]])
            for case in range(len(CASES))
            for number in range(len(self.budgets))
        ]

    def wrong_bar(self) -> list[Verdict]:
        """Wrong pilot: optimal, offset against uniform, weighted."""
        return [
            self._verdict(case, 1, number, UNIFORM_WEIGHTED)
            for case in range(len(CASES))
            for number in range(len(self.budgets))
        ]

    def _verdict(self, case: int, pilot: int, number: int, rival: int) -> Verdict:
        found = self.difference(case, pilot, number, OPTIMAL, rival)
        budget = int(self.budgets[number])
        return Verdict(PILOTS[pilot], CASES[case].name, budget, METHODS[rival], found)

    def efficiency(self, case: int, method: str, number: int) -> Comparison:
        """Realised with the pilot as fitted, and predicted with the p of each source.

        Realised is d / (d + mean of a'I a), where a is the estimate minus that of the fit on all
        rows of the same population, and I their information: sampling adds a to the error, and a
        is independent of it, as the fit on all rows is efficient. Predictions are medians: a row of
        large p that a pilot puts at the floor makes their means endless, and is never drawn.
        """
        estimates = self.estimates[case, :, 0, :, number]
        added = estimates[:, METHODS.index(method)] - estimates[:, FULL]
        lengths = np.einsum("rj,rjk,rk->r", added, self.information[case], added)
        d = estimates.shape[-1]
        realised = float(d / (d + lengths.mean()))
        error = realised**2 / d * lengths.std(ddof=1) / np.sqrt(self.replications)
        predicted = self.predicted[case, :, :, PREDICTED.index(method), number]
        predicted = predicted[~np.isnan(predicted[:, 0])]
        return Comparison(
            realised,
            float(error),
            tuple(np.median(predicted, axis=0).tolist()),
        )


@dataclass(frozen=True)
class Comparison:
    """Of one estimator: the efficiency realised with its standard error, and by every source."""

    realised: float
    error: float
    predicted: tuple[float, ...]


def log_ratio(one: Floats, other: Floats) -> Difference:
    """log(mean(one) / mean(other)) over the same replications; the error by the delta method."""
    each = one / one.mean() - other / other.mean()
    ratio = float(np.log(one.mean() / other.mean()))
    return Difference(ratio, float(each.std(ddof=1) / np.sqrt(len(one))))
