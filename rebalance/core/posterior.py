"""What the rows that stand for a population leave open about its log odds.

A linear fit's slopes are drawn outwards by its own noise: taken at their word, its log odds are too
spread, and what a sample keeps looks better or worse than it is. Empirical Bayes puts that right:
with slopes b, the population's log odds are normal with

    mean  shift + s u z'b,    variance  f + s (z - c)'V(z - c),    s = 1 - k / (u b)'V^-1 (u b),

V the covariance of the slopes with a weak prior, precision 1 on each, k their number less what
the prior decides: the slope that is to be expected on new rows (Copas 1983; van Houwelingen and le
Cessie 1990). u = 1 - b'V^-1 a / b'V^-1 b is the share of the slopes that is not their first-order
bias a (Cox and Snell 1968), which is outwards, too, however little the noise. With q the fit's
probability among the rows, c is their mean by q (1 - q), where the intercept is independent of the
slopes, and f its variance there: of n_1 and n_0 rows drawn by class, 1 / sum q (1 - q) less
1 / n_1 + 1 / n_0, as the classes' numbers in the population are known (Prentice and Pyke 1979). The
shift makes the sum of the probabilities the number of positives. What is averaged over this
posterior is averaged row by row, by Gauss-Hermite quadrature.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import probability, shift_to

Floats = NDArray[np.float64]

_NODES = 7
# Hardly anything is known of a slope before, but that it is of order 1, for a standardised feature
# as for a level: without that, a level without positives could be anything.
PRIOR = 1.0
# Where a row's log odds are known no better than that, they are hardly normal.
_WIDEST = 2.0
_LEAST_SLOPE = 0.1


def quadrature() -> tuple[Floats, Floats]:
    """Nodes of a standard normal variable and their shares, each of shape (7,)."""
    nodes, share = np.polynomial.hermite_e.hermegauss(_NODES)
    return nodes, share / share.sum()


@dataclass(frozen=True)
class Posterior:
    """The population's log odds, linear in z, a row's features after the intercept's 1.

    coefficients : of the mean, intercept first, shape (d + 1,). centre : c, shape (d,).
    floor : f. covariance : s V, shape (d, d).
    """

    coefficients: Floats
    centre: Floats
    floor: float
    covariance: Floats

    def mean(self, z: Floats) -> Floats:
        """The posterior's mean, shape (n,), at z, shape (n, d + 1)."""
        return np.asarray(z @ self.coefficients)

    def nodes(self, z: Floats) -> Floats:
        """Log odds at the quadrature's nodes, shape (7, n), at z, shape (n, d + 1).

        Raises
        ------
        ValueError : z has another number of columns.
        """
        apart = z[:, 1:] - self.centre
        variance = self.floor + ((apart @ self.covariance) * apart).sum(axis=1)
        spread = np.minimum(np.sqrt(np.maximum(variance, 0.0)), _WIDEST)
        return np.asarray(self.mean(z) + np.outer(quadrature()[0], spread))

    def to_array(self) -> NDArray[np.float32]:
        """All numbers, of the covariance the lower triangle: it is symmetric, and large."""
        triangle = self.covariance[np.tril_indices(len(self.centre))]
        parts = self.coefficients, self.centre, [self.floor], triangle
        return np.concatenate(parts).astype(np.float32)

    @staticmethod
    def length(slopes: int) -> int:
        """How many numbers describe a posterior of so many slopes."""
        return 2 + 2 * slopes + slopes * (slopes + 1) // 2

    @classmethod
    def from_array(cls, stored: NDArray[np.float32], slopes: int) -> Posterior:
        """The posterior that `to_array` described, to seven digits.

        Raises
        ------
        ValueError : a variance is negative.
        """
        coefficients, centre, floor, triangle = np.split(
            stored.astype(np.float64), [1 + slopes, 1 + 2 * slopes, 2 + 2 * slopes]
        )
        covariance = np.zeros((slopes, slopes))
        covariance[np.tril_indices(slopes)] = triangle
        covariance += np.tril(covariance, -1).T
        if not (np.append(np.diag(covariance), floor) >= 0).all():
            raise ValueError("a variance is negative")
        return cls(coefficients, centre, float(floor[0]), covariance)


@dataclass(frozen=True)
class Drawn:
    """Rows drawn by class that stand for the population, and that were fitted.

    z : with the intercept, shape (n, d + 1). y_true, count : of how many of the population's rows
    each stands for, shape (n,). drawn_odds : the fit's log odds among these rows.
    """

    z: Floats
    y_true: NDArray[np.bool_]
    count: Floats
    drawn_odds: Floats


def posterior(
    slopes: Floats,
    covariance: Floats,
    bias: Floats,
    prior: Floats,
    rows: Drawn,
    *,
    positives: float,
) -> Posterior:
    """What is known of the population by a fit to rows that stand for it.

    Parameters
    ----------
    slopes : b, shape (d,). covariance : V, shape (d, d). bias : a, shape (d,).
    prior : the precision that V has from the prior, shape (d,).
    positives : of the population.
    """
    unbiased, share_of_noise = _outwards(slopes, covariance, bias, prior)
    known = max(1 - share_of_noise, _LEAST_SLOPE)
    slope = max(known * unbiased, _LEAST_SLOPE)
    q = probability(rows.drawn_odds)
    inside = q * (1 - q)
    centre = np.average(rows.z[:, 1:], axis=0, weights=inside)
    by_class = 1 / rows.y_true.sum() + 1 / (~rows.y_true).sum()
    floor = max(float(1 / inside.sum() - by_class), 0.0)
    found = Posterior(np.append(0.0, slope * slopes), centre, floor, known * covariance)
    nodes, share = found.nodes(rows.z), quadrature()[1]
    shift = shift_to(nodes, np.outer(share, rows.count), positives)
    return replace(found, coefficients=np.append(shift, slope * slopes))


def _outwards(
    slopes: Floats, covariance: Floats, bias: Floats, prior: Floats
) -> tuple[float, float]:
    """u, and k / (u b)'V^-1 (u b); the latter is 1 where the slopes say nothing."""
    weighed = np.linalg.solve(covariance, slopes) if len(slopes) else slopes
    signal = float(slopes @ weighed)
    if signal <= 0:
        return 1.0, 1.0
    unbiased = min(max(1 - float(weighed @ bias) / signal, _LEAST_SLOPE), 1.0)
    free = float((1 - prior * np.diag(covariance)).clip(0, 1).sum())
    return unbiased, free / (unbiased**2 * signal)
