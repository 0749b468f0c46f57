"""How much of the population's information a sample keeps, before and after it is drawn.

A row of a logistic model has the information p (1 - p) z z'. Kept with probability pi_k where it is
of class k, and fitted with the offset, it has on average

    p (1 - p) pi_1 pi_0 / (p pi_1 + (1 - p) pi_0) z z'

(for pi_1 = 1 Theorem 4 of Wang, Zhang and Wang 2021, arXiv 2110.13048, in finite form). With
weights 1/pi instead, the variance is the sandwich I^-1 B I^-1 (Theorem 2), with I the population's
information and

    B = I + sum [ (1 - p) p^2 (1/pi_0 - 1) + p (1 - p)^2 (1/pi_1 - 1) ] z z'.

The efficiency is d / trace(I V), V the variance: 1 for the whole population, the same for features
in any units. It is the share of the population's rows that would do as well, drawn at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import probability

Floats = NDArray[np.float64]

# Columns in units of one length: directions with less than this share of the information have none.
_EMPTY = 1e-10


@dataclass(frozen=True)
class Chances:
    """With which probability a row of either class is kept at each x, arrays of shape (n,)."""

    pi_0: Floats
    pi_1: Floats


def standing_for(y_prob: Floats, chances: Chances) -> Floats:
    """How many rows of the population each drawn one stands for, shape (n,).

    One over the share of all rows at its x that were drawn, whatever its class: one over that of
    its class would let a few negatives of large p decide.

    Parameters
    ----------
    y_prob : of the population, shape (n,). chances : that a row was drawn, at each x.
    """
    return np.asarray(1 / _kept(y_prob, chances))


class Information:
    """Sums over rows of what the population has, and of what a sample keeps; batch by batch.

    Rows are those of the population, or some of them with weights that make them stand for it.
    """

    def __init__(self, size: int) -> None:
        self.population = np.zeros((size, size))
        self.with_offset = np.zeros((size, size))
        self.with_weights = np.zeros((size, size))

    def add(
        self,
        z: Floats,
        log_odds: Floats,
        chances: Chances,
        weight: Floats,
        *,
        share: Floats | None = None,
    ) -> None:
        """Add rows before a draw: z, shape (n, d), the population's log odds, chances, weights.

        share : where log odds are not known but have a distribution, how likely each of k is; then
            `log_odds` has the shape (k, n).
        """
        y_prob = probability(log_odds)
        inside = weight * y_prob * (1 - y_prob)
        kept = inside * chances.pi_1 * chances.pi_0 / _kept(y_prob, chances)
        self.population += _outer(z, _mean(inside, share))
        self.with_offset += _outer(z, _mean(kept, share))
        self.with_weights += _outer(z, _mean(inside * self.noise(y_prob, chances), share))

    @staticmethod
    def noise(y_prob: Floats, chances: Chances) -> Floats:
        """B over I, row by row."""
        return 1 + y_prob * (1 / chances.pi_0 - 1) + (1 - y_prob) * (1 / chances.pi_1 - 1)

    def efficiency(self, correction: str) -> float:
        """d / trace(I V) for `correction` "offset" or "weight".

        z may have columns that say the same thing: d is then the number of those that do not.
        """
        white = whitening(self.population)
        if not white.shape[1]:  # the model is sure of every row
            return 0.0
        if correction == "weight":
            return float(white.shape[1] / np.trace(white.T @ self.with_weights @ white))
        kept = np.linalg.eigvalsh(white.T @ self.with_offset @ white)
        return float(white.shape[1] / (1 / kept).sum()) if kept[0] > 0 else 0.0


def _kept(y_prob: Floats, chances: Chances) -> Floats:
    """The chance that a row at x is kept, whatever its class."""
    return y_prob * chances.pi_1 + (1 - y_prob) * chances.pi_0


def _mean(factor: Floats, share: Floats | None) -> Floats:
    return factor if share is None else share @ factor


def whitening(information: Floats) -> Floats:
    """W with W'IW = 1, shape (d, k): k directions that have information."""
    unit = np.sqrt(np.maximum(np.diag(information), np.finfo(np.float64).tiny))
    values, vectors = np.linalg.eigh(information / np.outer(unit, unit))
    real = values > _EMPTY * values[-1]
    return np.asarray(vectors[:, real] / np.sqrt(values[real]) / unit[:, None])


def _outer(z: Floats, factor: Floats) -> Floats:
    return np.asarray((z * factor[:, None]).T @ z, dtype=np.float64)


@dataclass(frozen=True)
class Curve:
    """Efficiencies at rising rates, for one way to sample and one correction."""

    rates: Sequence[float]
    efficiencies: Sequence[float]

    def rate(self, efficiency: float) -> float | None:
        """The least rate with this efficiency, between the curve's points; None beyond its ends."""
        reached = np.maximum.accumulate(np.asarray(self.efficiencies))
        if not reached[0] <= efficiency <= reached[-1]:
            return None
        if efficiency == reached[-1]:
            return float(self.rates[int(np.argmax(reached == reached[-1]))])
        at = int(np.searchsorted(reached, efficiency, side="right"))
        low, high = reached[at - 1], reached[at]
        share = (efficiency - low) / (high - low)
        start, end = np.log(self.rates[at - 1]), np.log(self.rates[at])
        return float(np.exp(start + share * (end - start)))

    def efficiency(self, rate: float) -> float | None:
        """The efficiency at a rate, between the curve's points; None below the first."""
        if rate < self.rates[0]:
            return None
        return float(np.interp(np.log(rate), np.log(self.rates), self.efficiencies))
