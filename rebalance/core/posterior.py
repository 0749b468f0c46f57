"""What a linear pilot's rows leave open about the population's log odds.

A pilot's slopes are drawn outwards by its own noise: taken at their word, p~ is too spread, and a
design by p~ looks better than it is, since it follows that noise, too. Empirical Bayes puts both
right: about the pilot's log odds g, the population's are normal with

    mean  shift + s u g,    variance  s z'Vz,    s = 1 - k / (u b)'V^-1 (u b),

V the covariance of the slopes b with a weak prior, precision 1 on each, k their number less what
the prior decides: the slope that is to be expected on new rows (Copas 1983; van Houwelingen and le
Cessie 1990). u = 1 - b'V^-1 a / b'V^-1 b is the share of the slopes that is not their first-order
bias a (Cox and Snell 1968), which is outwards, too, however little the noise. The shift makes the
mean probability that of the population. What is averaged over this posterior is averaged row by
row, by Gauss-Hermite quadrature.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import probability

Floats = NDArray[np.float64]

_NODES = 7
# Hardly anything is known of a slope before, but that it is of order 1, for a standardised feature
# as for a level: without that, a level without positives could be anything.
PRIOR = 1.0
# Where a row's log odds are known no better than that, they are hardly normal.
_WIDEST = 2.0
_LEAST_SLOPE = 0.1
_HALVINGS = 60


def quadrature() -> tuple[Floats, Floats]:
    """Nodes of a standard normal variable and their shares, each of shape (7,)."""
    nodes, share = np.polynomial.hermite_e.hermegauss(_NODES)
    return nodes, share / share.sum()


@dataclass(frozen=True)
class Posterior:
    """The population's log odds about a pilot's.

    slope, shift : of the mean, s u the slope. centre : the mean of z, shape (d,), z without the
        intercept.
    covariance : s V, shape (d, d).
    """

    slope: float
    shift: float
    centre: Floats
    covariance: Floats

    def mean(self, log_odds: Floats) -> Floats:
        """The posterior's mean at a pilot's log odds, shape (n,)."""
        return self.shift + self.slope * log_odds

    def nodes(self, z: Floats, log_odds: Floats) -> Floats:
        """Log odds at the quadrature's nodes, shape (7, n); z has its intercept, shape (n, d + 1).

        Raises
        ------
        ValueError : z has another number of columns.
        """
        apart = z[:, 1:] - self.centre
        variance = ((apart @ self.covariance) * apart).sum(axis=1)
        spread = np.minimum(np.sqrt(np.maximum(variance, 0.0)), _WIDEST)
        return np.asarray(self.mean(log_odds) + np.outer(quadrature()[0], spread))

    def to_array(self) -> NDArray[np.float32]:
        """Slope, shift, centre and the covariance's lower triangle: it is symmetric, and large."""
        triangle = self.covariance[np.tril_indices(len(self.centre))]
        return np.concatenate([[self.slope, self.shift], self.centre, triangle]).astype(np.float32)

    @classmethod
    def from_array(cls, stored: NDArray[np.float32]) -> Posterior:
        """The posterior that `to_array` described, to seven digits."""
        known = stored.astype(np.float64)
        # 2 + d + d (d + 1) / 2 numbers
        size = round((np.sqrt(9 + 8 * (len(known) - 2)) - 3) / 2)
        covariance = np.zeros((size, size))
        covariance[np.tril_indices(size)] = known[2 + size :]
        covariance += np.tril(covariance, -1).T
        return cls(float(known[0]), float(known[1]), known[2 : 2 + size], covariance)


def posterior(
    slopes: Floats,
    covariance: Floats,
    bias: Floats,
    prior: Floats,
    z: Floats,
    *,
    log_odds: Floats,
    weight: Floats,
) -> Posterior:
    """What is known of the population after a pilot.

    Parameters
    ----------
    slopes : b, shape (d,). covariance : V, shape (d, d). bias : a, shape (d,).
    prior : the precision that V has from the prior, shape (d,).
    z : rows that stand for the population, with the intercept, shape (n, d + 1).
    log_odds : the pilot's, whose mean probability is right. weight : what each row stands for.
    """
    unbiased, share_of_noise = _outwards(slopes, covariance, bias, prior)
    known = max(1 - share_of_noise, _LEAST_SLOPE)
    slope = max(known * unbiased, _LEAST_SLOPE)
    centre = weight @ z[:, 1:] / weight.sum()
    found = Posterior(slope, 0.0, centre, known * covariance)
    nodes, share = found.nodes(z, log_odds), quadrature()[1]
    target = float(weight @ probability(log_odds))
    low, high = -50.0, 50.0
    for _ in range(_HALVINGS):
        middle = 0.5 * (low + high)
        if float(share @ probability(nodes + middle) @ weight) < target:
            low = middle
        else:
            high = middle
    return replace(found, shift=0.5 * (low + high))


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
