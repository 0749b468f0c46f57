"""Whether classes can be separated: whether, without a penalty, coefficients would be infinite.

From anywhere, Newton's steps on the likelihood without a penalty either vanish, at its maximum, or
come to move the log odds of separated rows outwards by about 1 each and no row inwards. Such a step
is the proof: along it the likelihood rises for ever (Albert and Anderson 1984).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rebalance.core.collinearity import dependent
from rebalance.core.inference import information, newton_step

if TYPE_CHECKING:
    from rebalance.learners.glm import Problem

Floats = NDArray[np.float64]

# Log odds: a row that moves less is said to stay, one that moves more is on its way.
VANISHED, ON_ITS_WAY = 1e-3, 0.1
STEPS = 25
# No step moves a row by more.
LONGEST = 5.0
_OF_LARGEST = 0.1
LOOKED_AT = 10_000


def undetermined(problem: Problem, coefficients: Floats) -> tuple[list[str], list[str]]:
    """What the penalty alone determines: columns that are collinear, and columns that separate.

    A level, say, that has no rows of the rarer class is common, its log odds can only be low, and
    its interval says so: columns that separate nothing else are not counted.

    Parameters
    ----------
    coefficients : from where to look, for example the penalised maximum, intercept first.

    Returns
    -------
    the first set of columns that are collinear, and those that separate the classes, by name.
    """
    # A few rows are looked at first: what separates all rows, or makes columns say the same in all,
    # does so in some of them.
    counted = problem.weight > 0
    every = problem if counted.all() else problem.part(counted)
    some = _thinned(every)
    same = dependent(some.z[:, 1:])
    if same and some is not every:
        same = dependent(every.z[:, 1:])
    collinear = [every.names[1 + at] for at in same]
    by = _separated_by(some, coefficients)
    if by and some is not every:
        by = _separated_by(every, coefficients)
    return collinear, by


def _thinned(problem: Problem) -> Problem:
    """All rows of the rarer class, and of the other one some, evenly spaced."""
    rarer = _rarer(problem)
    others = np.flatnonzero(~rarer)
    if len(others) <= LOOKED_AT:
        return problem
    kept = rarer.copy()
    kept[others[:: -(-len(others) // LOOKED_AT)]] = True
    return problem.part(kept)


def _rarer(problem: Problem) -> NDArray[np.bool_]:
    positives = int(problem.y_true.sum())
    return problem.y_true if 2 * positives <= len(problem.y_true) else ~problem.y_true


def _separated_by(problem: Problem, coefficients: Floats) -> list[str]:
    """The columns that separate rows of the rarer class, too."""
    keep = np.ptp(problem.z, axis=0) > 0
    keep[0] = True
    while True:  # one of each set says nothing that the others do not
        left = replace(
            problem, z=problem.z[:, keep], names=[problem.names[at] for at in keep.nonzero()[0]]
        )
        same = dependent(left.z[:, 1:]) if left.z.shape[1] > 1 else []
        if not same:
            break
        keep[keep.nonzero()[0][1 + same[-1]]] = False
    step = separating(left, coefficients[keep])
    if step is None:
        return []
    moves = np.abs(left.z[_rarer(left)] @ step) > ON_ITS_WAY
    return by_size(left, step) if moves.any() else []


def separating(problem: Problem, coefficients: Floats) -> Floats | None:
    """A step that separates the classes, shape (d,); None where none does or it cannot be told.

    problem : with no columns that are collinear. coefficients : from where to look, shape (d,).
    """
    at, side = coefficients, np.where(problem.y_true, 1.0, -1.0)[problem.weight > 0]
    for _ in range(STEPS):
        own = information(problem.z, problem.eta(at), problem.weight)
        try:
            step = newton_step(own, problem.gradient(at))
        except np.linalg.LinAlgError:
            return None
        moved = (problem.z @ step)[problem.weight > 0]
        furthest = float(np.abs(moved).max())
        if not VANISHED < furthest < np.inf:
            return None
        if furthest > ON_ITS_WAY and float((side * moved).min()) > -VANISHED * furthest:
            return np.asarray(step, dtype=np.float64)
        at = at + step * min(1.0, LONGEST / furthest)
    return None


def by_size(problem: Problem, step: Floats) -> list[str]:
    """The columns that move the rarer class's rows most along a step, the first of them first.

    Where none of these rows moves, the columns that move the others.
    """
    moved = np.abs(problem.z @ step) > ON_ITS_WAY
    at = moved & _rarer(problem) if (moved & _rarer(problem)).any() else moved
    if not at.any():
        at = np.ones(len(moved), dtype=bool)
    by = np.abs(problem.z[at] * step).mean(axis=0)[1:]
    if not len(by):
        return []
    return [
        problem.names[1 + each] for each in np.argsort(-by) if by[each] > _OF_LARGEST * by.max()
    ]
