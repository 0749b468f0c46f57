"""Logistic regression on a few columns of summed rows, with its covariance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rebalance.core.correction import probability, shift_to
from rebalance.core.log_odds_cells import Floats, Outcomes

_ITERATIONS = 100
_CONVERGED = 1e-16  # the square of the last step, in standard errors


@dataclass(frozen=True)
class LogitFit:
    """The coefficients theta, shape (d,), their covariance, (d, d), and the log likelihood."""

    theta: Floats
    covariance: Floats
    log_likelihood: float


def fit_intercept(outcomes: Outcomes) -> LogitFit | None:
    """a of logit Pr(y = 1) = a + log odds; both classes have weight.

    Far from the optimum all probabilities may be 0 or 1, where Newton's method has no way to go:
    then it starts from where bisection ends.
    """
    x, weight = outcomes.log_odds, outcomes.weight
    z = np.ones((len(x), 1))
    found = fit_logit(outcomes, z, x)
    if found is not None:
        return found
    target = float(weight[outcomes.y_true].sum())
    return fit_logit(outcomes, z, x, start=np.array([shift_to(x, weight, target)]))


def fit_logit(
    outcomes: Outcomes,
    z: Floats,
    offset: Floats | float = 0.0,
    start: Floats | None = None,
) -> LogitFit | None:
    """Maximise the likelihood of logit Pr(y = 1) = offset + z'theta; None where that fails.

    z has a row for each entry of the outcomes, shape (k, d). Newton's method with step halving.
    The covariance is A^-1, the inverse information; where rows have weights it is A^-1 B A^-1 with
    A = sum w m (1 - m) z z', B = sum w^2 (y - m)^2 z z' (Huber 1967; White 1982).

    Whoever calls makes sure that the classes overlap: where they do not, theta has no limit.
    """
    y, weight = outcomes.y_true.astype(np.float64), outcomes.weight
    # With this scale a unit of the log likelihood is one of the statistical kind, whatever the
    # unit of the weights.
    weight = weight * (weight.sum() / outcomes.squared.sum())
    spread = np.sqrt((weight[:, None] * z**2).sum(axis=0) / weight.sum())
    if not (spread > 0).all():
        return None
    scaled = z / spread
    theta = np.zeros(z.shape[1]) if start is None else start * spread
    value = _log_likelihood(offset + _times(scaled, theta), y, weight)
    for _ in range(_ITERATIONS):
        mean = probability(offset + _times(scaled, theta))
        gradient = (scaled * (weight * (y - mean))[:, None]).sum(axis=0)
        information = _outer(scaled, weight * mean * (1 - mean))
        step = _solved(information, gradient)
        if step is None:
            return None
        decrement = float((gradient * step).sum())
        size = 1.0
        while size > 1e-12:
            moved = _times(scaled, theta + size * step)
            found = _log_likelihood(offset + moved, y, weight)
            # Near the optimum rounding hides what a step gains.
            if found >= value + 1e-4 * size * decrement or decrement < 1e-8:
                break
            size *= 0.5
        theta, value = theta + size * step, found
        if decrement < _CONVERGED:
            return _finished(outcomes, z, offset, theta / spread)
    return None


def _finished(
    outcomes: Outcomes, z: Floats, offset: Floats | float, theta: Floats
) -> LogitFit | None:
    """The fit with its covariance, on the scale of the weights as they are."""
    eta = offset + _times(z, theta)
    mean, y = probability(eta), outcomes.y_true.astype(np.float64)
    information = _outer(z, outcomes.weight * mean * (1 - mean))
    try:
        inverse = np.asarray(np.linalg.inv(information), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
    covariance = inverse
    if outcomes.weighted:
        covariance = inverse @ _outer(z, outcomes.squared * (y - mean) ** 2) @ inverse
    if not (np.isfinite(covariance).all() and (np.diag(covariance) > 0).all()):
        return None  # all but singular
    return LogitFit(theta, covariance, _log_likelihood(eta, y, outcomes.weight))


# Sums of products by NumPy, not BLAS: its threads would make them depend on the machine.
def _times(z: Floats, theta: Floats) -> Floats:
    """z'theta of every entry."""
    found: Floats = (z * theta).sum(axis=1)
    return found


def _outer(z: Floats, weight: Floats) -> Floats:
    """sum weight z z'."""
    columns = z.T
    return np.array([[(weight * one * other).sum() for other in columns] for one in columns])


def _solved(information: Floats, gradient: Floats) -> Floats | None:
    try:
        step = np.asarray(np.linalg.solve(information, gradient), dtype=np.float64)
    except np.linalg.LinAlgError:
        return None
    return step if np.isfinite(step).all() else None


def _log_likelihood(eta: Floats, y: Floats, weight: Floats) -> float:
    return float((weight * (y * eta - np.logaddexp(0.0, eta))).sum())
