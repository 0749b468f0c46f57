"""A small Newton fit of the logistic likelihood with offset and weights: fast when warm-started."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

MAX_STEPS = 100
# The last step: its square in standard errors, and how far it moves any row's log odds. Where the
# classes can be separated, each step moves them by about 1, however small the gradient.
TOLERANCE = 1e-10
LAST_MOVE = 1e-3


def fit(
    z: Floats,
    y_true: Floats,
    start: Floats,
    *,
    offset: Floats | None = None,
    weight: Floats | None = None,
) -> Floats:
    """The b that maximises sum w [y (z'b + l) - log(1 + exp(z'b + l))].

    A step that would lower the likelihood is halved.

    Raises
    ------
    ArithmeticError : no optimum is found, as where the classes can be separated.
    """
    found = start
    log_odds = z @ start
    if offset is not None:
        log_odds += offset
    likelihood = _likelihood(y_true, log_odds, weight)
    for _ in range(MAX_STEPS):
        small = np.exp(-np.abs(log_odds))
        residual = y_true - np.where(log_odds >= 0, 1.0, small) / (1.0 + small)
        information = small / (1.0 + small) ** 2
        if weight is not None:
            residual *= weight
            information *= weight
        gradient = residual @ z
        try:
            step = np.linalg.solve((z.T * information) @ z, gradient)
        except np.linalg.LinAlgError as exc:
            raise ArithmeticError("the information is singular") from exc
        change = z @ step
        if gradient @ step < TOLERANCE and np.abs(change).max() < LAST_MOVE:
            return found + step
        share = 1.0
        while (reached := _likelihood(y_true, log_odds + share * change, weight)) < likelihood:
            share /= 2
            if share < 1e-10:
                raise ArithmeticError("no step raises the likelihood")
        found = found + share * step
        log_odds += share * change
        likelihood = reached
    raise ArithmeticError(f"no optimum after {MAX_STEPS} steps")


def _likelihood(y_true: Floats, log_odds: Floats, weight: Floats | None) -> float:
    terms = y_true * log_odds - np.maximum(log_odds, 0.0) - np.log1p(np.exp(-np.abs(log_odds)))
    return float(terms.sum() if weight is None else weight @ terms)
