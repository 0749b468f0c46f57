"""The focal loss: its value and derivatives, what it does to log odds, and how that is undone.

For a score v, q = 1 / (1 + exp(-v)), and gamma >= 0 (Lin et al. 2017, arXiv 1708.02002),

    L(1, v) = -(1 - q)^gamma log q,    L(0, v) = L(1, -v);    gamma = 0 is the log loss.

Where positives have the probability p, the expected loss is least at the v with

    logit p = U(v) = (1 + gamma) v - log B(v) + log B(-v),
    B(v) = 1 + gamma exp(v) log(1 + exp(-v)),

which is p = h(q) / (h(q) + h(1 - q)), h(q) = q / ((1-q)^gamma - gamma (1-q)^(gamma-1) q log q),
in log odds, where nothing overflows (Charoenphakdee et al. 2021, arXiv 2011.09172). U
rises, and is nearly straight: its slope is 1 + gamma far out and some 10% less at 0. So with
p = 1 / (1 + exp(-U(v))),

    dL/dv = a(v) (p - y),    a(v) = q^(gamma+1) B(-v) + (1-q)^(gamma+1) B(v):

the gradient of the log loss at U(v), but for a weight.

**Sampling.** Among kept rows the log odds are those of the population plus the offset l. Scores f
stand for the population, so that a kept row has v = U^-1(U(f) + l): with that, f is what it would
be if all rows were there. With v = f + l instead, f would have to make up for l, as U's slope is
not 1. Class weights w_1, w_0 multiply losses, and move U(f) by log(w_1 / w_0), which is taken off
after U.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import probability

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

_STEPS = 100
_FAR = 36.0  # beyond, log(1 + exp(-v)) is exp(-v) to the last bit


def focal_loss(y_true: Bools, score: Floats, gamma: float) -> Floats:
    """L of every row, shape (n,).

    >>> focal_loss(np.array([True, False]), np.zeros(2), 0.0).round(4).tolist()
    [0.6931, 0.6931]
    """
    own = np.where(y_true, score, -score)
    return np.asarray(np.exp(-gamma * _softplus(own)) * _softplus(-own), dtype=np.float64)


def focal_gradient(y_true: Bools, score: Floats, gamma: float) -> Floats:
    """dL/dv of every row, shape (n,)."""
    sign = np.where(y_true, 1.0, -1.0)
    return np.asarray(-sign * _pull(sign * score, gamma), dtype=np.float64)


def undo_focal(score: Floats, gamma: float) -> Floats:
    """U: the log odds of the probability that a score of the focal loss stands for.

    >>> v = np.log(0.1903 / (1 - 0.1903))
    >>> round(float(probability(undo_focal(np.array([v]), 2.0))[0]), 3)
    0.02
    """
    ahead, behind = (1 + gamma * _scaled(at) for at in (score, -score))
    return np.asarray((1 + gamma) * score - np.log(ahead) + np.log(behind), dtype=np.float64)


def undo_focal_slope(score: Floats, gamma: float) -> Floats:
    """dU/dv, from about 0.9 (1 + gamma) to 1 + gamma."""
    found = np.full(np.shape(score), 1 + gamma)
    for at in (score, -score):
        scaled = _scaled(at)
        found -= gamma * (scaled - probability(at)) / (1 + gamma * scaled)
    return found


def focal_score(log_odds: Floats, gamma: float, start: Floats | None = None) -> Floats:
    """U^-1, by Newton's method: the score that stands for a probability of these log odds.

    start : scores near by.

    >>> score = np.array([-20.0, -1.0, 0.0, 3.0])
    >>> bool(np.allclose(focal_score(undo_focal(score, 2.0), 2.0), score, atol=1e-12))
    True
    """
    score = np.asarray(log_odds / (1 + gamma) if start is None else start, dtype=np.float64)
    for _ in range(_STEPS):
        step = (undo_focal(score, gamma) - log_odds) / undo_focal_slope(score, gamma)
        score = score - step
        if not np.any(np.abs(step) > 1e-13 * (1 + np.abs(score))):
            break
    return score


@dataclass(frozen=True)
class Focal:
    """The focal loss of rows with an offset: a function of their scores f.

    y_true, offset, weight : shape (n,); the offset is l, on the scale of log odds.
    """

    gamma: float
    y_true: Bools
    offset: Floats
    weight: Floats

    def loss(self, score: Floats) -> Floats:
        """The weighted loss of every row, shape (n,)."""
        return np.asarray(
            self.weight * focal_loss(self.y_true, self._sampled(score), self.gamma),
            dtype=np.float64,
        )

    def derivatives(self, score: Floats) -> tuple[Floats, Floats]:
        """The first derivative by f, and the second as it is expected, each of shape (n,).

        The second one itself is below 0 where a row is far on the wrong side. Its expectation at
        the probability that f stands for is not, and is zero nowhere:
        a U'(f)^2 / U'(v) p (1 - p), of the log loss p (1 - p).
        """
        sampled = self._sampled(score)
        slope = undo_focal_slope(score, self.gamma)
        # dv/df; without an offset v is f.
        along = slope / undo_focal_slope(sampled, self.gamma) if self.offset.any() else 1.0
        log_odds = undo_focal(sampled, self.gamma)
        weighing = _pull(sampled, self.gamma) + _pull(-sampled, self.gamma)
        first = focal_gradient(self.y_true, sampled, self.gamma) * along
        second = weighing * along * slope * probability(log_odds) * probability(-log_odds)
        return self.weight * first, self.weight * second

    def _sampled(self, score: Floats) -> Floats:
        """v of every row, shape (n,)."""
        if not self.offset.any():
            return score
        wanted = undo_focal(score, self.gamma) + self.offset
        return focal_score(wanted, self.gamma, score + self.offset / (1 + self.gamma))


@dataclass(frozen=True)
class Reweighted:
    """How a fit was bent beyond the sampling: class weights, and the focal loss.

    log_ratio : log(w_1 / w_0). gamma : of the focal loss, 0 for the log loss.
    """

    log_ratio: float = 0.0
    gamma: float = 0.0

    @property
    def bends(self) -> bool:
        """Whether it changes probabilities at all."""
        return self.log_ratio != 0 or self.gamma != 0

    def as_fitted(self, log_odds: Floats) -> Floats:
        """The log odds that the fit had of rows whose true ones among its rows are these."""
        moved = np.asarray(log_odds + self.log_ratio, dtype=np.float64)
        return focal_score(moved, self.gamma) if self.gamma else moved

    def to_document(self) -> dict[str, Any]:
        """What it holds, as JSON."""
        return {"log_ratio": self.log_ratio, "gamma": self.gamma}


AS_ROWS_ARE = Reweighted()


def _softplus(x: Floats) -> Floats:
    """log(1 + exp(x))."""
    return np.asarray(np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x))), dtype=np.float64)


def _scaled(v: Floats) -> Floats:
    """exp(v) log(1 + exp(-v)), between 0 and 1."""
    near = np.minimum(v, _FAR)
    return np.asarray(np.where(v > _FAR, 1.0, np.exp(near) * _softplus(-near)), dtype=np.float64)


def _pull(v: Floats, gamma: float) -> Floats:
    """(1 - q)^(gamma+1) B(v): how hard a row of the positive class is pulled up."""
    return np.asarray(
        np.exp(-(gamma + 1) * _softplus(v)) * (1 + gamma * _scaled(v)), dtype=np.float64
    )
