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
# Newton's steps square what is left: after one of 1e-6 nothing is, to the last digits.
_LAST_STEP = 1e-6
_TINY = 1e-300


def focal_loss(y_true: Bools, score: Floats, gamma: float) -> Floats:
    """L of every row, shape (n,).

    >>> focal_loss(np.array([True, False]), np.zeros(2), 0.0).round(4).tolist()
    [0.6931, 0.6931]
    """
    at = _At.of(np.where(y_true, score, -score))
    return np.asarray(np.exp(-gamma * at.above) * at.below, dtype=np.float64)


def undo_focal(score: Floats, gamma: float) -> Floats:
    """U: the log odds of the probability that a score of the focal loss stands for.

    >>> v = np.log(0.1903 / (1 - 0.1903))
    >>> round(float(probability(undo_focal(np.array([v]), 2.0))[0]), 3)
    0.02
    """
    return _At.of(score).undone(gamma)


def undo_focal_slope(score: Floats, gamma: float) -> Floats:
    """dU/dv, from about 0.9 (1 + gamma) to 1 + gamma."""
    return _At.of(score).slope(gamma)


def focal_score(log_odds: Floats, gamma: float, start: Floats | None = None) -> Floats:
    """U^-1, by Newton's method: the score that stands for a probability of these log odds.

    start : scores near by.

    >>> score = np.array([-20.0, -1.0, 0.0, 3.0])
    >>> bool(np.allclose(focal_score(undo_focal(score, 2.0), 2.0), score, atol=1e-12))
    True
    """
    score = np.asarray(log_odds / (1 + gamma) if start is None else start, dtype=np.float64)
    for _ in range(_STEPS):
        at = _At.of(score)
        step = (at.undone(gamma) - log_odds) / at.slope(gamma)
        score = score - step
        if not np.any(np.abs(step) > _LAST_STEP):
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
        sampled = self._sampled(score, _At.of(score))
        return np.asarray(
            self.weight * focal_loss(self.y_true, sampled, self.gamma), dtype=np.float64
        )

    def derivatives(self, score: Floats) -> tuple[Floats, Floats]:
        """The first derivative by f, and the second as it is expected, each of shape (n,).

        The second one itself is below 0 where a row is far on the wrong side. Its expectation at
        the probability that f stands for is not: a U'(f)^2 / U'(v) p (1 - p), of the log loss
        p (1 - p).
        """
        gamma = self.gamma
        own = _At.of(score)
        at = _At.of(self._sampled(score, own))
        slope = own.slope(gamma)
        along = slope / at.slope(gamma)  # dv/df
        up, down = at.pulls(gamma)
        prob = probability(at.undone(gamma))
        first = np.where(self.y_true, -up, down) * along
        second = (up + down) * along * slope * prob * (1 - prob)
        return self.weight * first, self.weight * second

    def _sampled(self, score: Floats, own: _At) -> Floats:
        """v of every row, shape (n,); without an offset it is f."""
        if not self.offset.any():
            return score
        wanted = own.undone(self.gamma) + self.offset
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


@dataclass(frozen=True)
class _At:
    """What all formulas are made of at scores v, from one exponential and one logarithm.

    above, below : log(1 + exp(v)) and log(1 + exp(-v)). q : 1 / (1 + exp(-v)).
    ahead, behind : exp(v) log(1 + exp(-v)), between 0 and 1, and the same of -v.
    """

    v: Floats
    q: Floats
    above: Floats
    below: Floats
    ahead: Floats
    behind: Floats

    @classmethod
    def of(cls, v: Floats) -> _At:
        up = v >= 0
        size = np.abs(v)
        small = np.exp(-size)
        log = np.log1p(small)
        large = np.where(small > _TINY, log / np.maximum(small, _TINY), 1.0)
        less = small * (size + log)
        return cls(
            v=v,
            q=np.where(up, 1.0, small) / (1 + small),
            above=np.where(up, v, 0.0) + log,
            below=np.where(up, 0.0, -v) + log,
            ahead=np.where(up, large, less),
            behind=np.where(up, less, large),
        )

    def undone(self, gamma: float) -> Floats:
        """U(v)."""
        moved = np.log((1 + gamma * self.behind) / (1 + gamma * self.ahead))
        return np.asarray((1 + gamma) * self.v + moved, dtype=np.float64)

    def slope(self, gamma: float) -> Floats:
        """dU/dv."""
        ahead = (self.ahead - self.q) / (1 + gamma * self.ahead)
        behind = (self.behind - (1 - self.q)) / (1 + gamma * self.behind)
        return np.asarray((1 + gamma) - gamma * (ahead + behind), dtype=np.float64)

    def pulls(self, gamma: float) -> tuple[Floats, Floats]:
        """How hard a positive is pulled up, (1 - q)^(gamma+1) B(v), and a negative down."""
        up = np.exp(-(gamma + 1) * self.above) * (1 + gamma * self.ahead)
        down = np.exp(-(gamma + 1) * self.below) * (1 + gamma * self.behind)
        return up, down
