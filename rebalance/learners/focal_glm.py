"""The penalised focal loss of a linear score, minimised from the maximum of the likelihood.

The focal loss is not convex: a row far on the wrong side bends it downwards. Each step solves with
the second derivatives as they are expected, which are above 0, so every step leads down; where none
does any more, the gradient is checked.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rebalance.core.inference import newton_step
from rebalance.core.losses import Focal, undo_focal_slope
from rebalance.errors import FitError
from rebalance.learners.focal import UndoFocal
from rebalance.learners.glm import Maximum, Penalty, Problem, maximise

Floats = NDArray[np.float64]

MAX_STEPS = 500
HALVINGS = 40
# g'H^-1 g of the last step: its length, squared, in standard errors.
DECREMENT = 1e-16
CONVERGED = 1e-3


def minimise_focal(problem: Problem, penalty: Penalty, undo: UndoFocal) -> Maximum:
    """Find the coefficients of the scores from those of the log odds, which are nearly parallel.

    Raises
    ------
    FitError : as `glm.maximise`; or the focal loss has no minimum there.
    """
    found = maximise(problem, penalty)
    # Class weights are part of what scores stand for, so that only sampling's offset is left.
    loss = Focal(undo.gamma, problem.y_true, problem.offset - undo.class_shift, problem.weight)
    at = _start(found.coefficients, undo)
    ridge = penalty.diagonal(len(at))
    steps = 0
    for steps in range(1, MAX_STEPS + 1):  # noqa: B007
        first, second = loss.derivatives(problem.z @ at)
        gradient = problem.z.T @ first + ridge * at
        hessian = (problem.z * second[:, None]).T @ problem.z + np.diag(ridge)
        step = _solve(hessian, gradient)
        decrement = float(gradient @ step)
        if not decrement > DECREMENT:
            break
        ahead = _search(lambda trial: _value(problem, loss, ridge, trial), at, step, decrement)
        if ahead is None:
            break
        at = ahead
    else:
        raise _no_fit(f"it still moves after {MAX_STEPS} steps")
    _check(problem, gradient, hessian)
    return Maximum(at, found.iterations + steps)


def _start(log_odds: Floats, undo: UndoFocal) -> Floats:
    """The scores' coefficients where U is taken to be straight."""
    intercept = undo.score(log_odds[:1])
    slope = float(undo_focal_slope(intercept, undo.gamma)[0])
    return np.concatenate([intercept, log_odds[1:] / slope])


def _value(problem: Problem, loss: Focal, ridge: Floats, at: Floats) -> float:
    return float(loss.loss(problem.z @ at).sum() + 0.5 * (ridge @ at**2))


def _search(
    value: Callable[[Floats], float], at: Floats, step: Floats, decrement: float
) -> Floats | None:
    """The first of ever shorter steps that leads down enough; None where none does."""
    before = value(at)
    length = 1.0
    for _ in range(HALVINGS):
        trial = at - length * step
        # At the end values differ by less than their rounding.
        if value(trial) <= before - 1e-4 * length * decrement + 1e-14 * abs(before):
            return trial
        length /= 2
    return None


def _solve(hessian: Floats, gradient: Floats) -> Floats:
    try:
        return newton_step(hessian, gradient)
    except np.linalg.LinAlgError:
        raise _no_fit("nothing determines some coefficients") from None


def _check(problem: Problem, gradient: Floats, hessian: Floats) -> None:
    """A minimum's gradient is none, to a thousandth of what a standard error's step would have.

    Raises
    ------
    FitError : it is more, or the next step would still move rows.
    """
    size = np.sqrt(np.maximum(np.diag(hessian), 1e-300))
    excess = float(np.abs(gradient / size).max())
    if not excess <= CONVERGED:
        raise _no_fit(f"the gradient is still {excess:.3g} standard errors")
    moved = float(np.abs(problem.z @ _solve(hessian, gradient)).max())
    if not moved <= CONVERGED:
        raise _no_fit(f"the next step would move a row's score by {moved:.3g}")


def _no_fit(reason: str) -> FitError:
    return FitError(
        f"the focal loss of a logistic model did not converge: {reason}",
        remedy="give a larger penalty (--l2 1), a smaller --gamma, or leave --loss out",
    )
