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
from rebalance.core.inference import information

if TYPE_CHECKING:
    from rebalance.learners.glm import Problem

Floats = NDArray[np.float64]

# Log odds: a row that moves less is said to stay, one that moves more is on its way.
VANISHED, ON_ITS_WAY = 1e-3, 0.1
STEPS = 25
# No step moves a row by more.
LONGEST = 5.0
_OF_LARGEST = 0.1


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
    counted = problem.weight > 0
    left = problem if counted.all() else problem.part(counted)
    same = dependent(left.z[:, 1:])
    collinear = [left.names[1 + at] for at in same]
    while same:  # one of each set says nothing that the others do not
        keep = np.arange(left.z.shape[1]) != 1 + same[-1]
        left = replace(left, z=left.z[:, keep], names=[left.names[at] for at in keep.nonzero()[0]])
        coefficients = coefficients[keep]
        same = dependent(left.z[:, 1:]) if left.z.shape[1] > 1 else []
    step = separating(left, coefficients)
    if step is None:
        return collinear, []
    rarer = left.y_true if 2 * int(left.y_true.sum()) <= len(left.y_true) else ~left.y_true
    moves = bool((np.abs(left.z[rarer] @ step) > ON_ITS_WAY).any())
    return collinear, by_size(left, step) if moves else []


def separating(problem: Problem, coefficients: Floats) -> Floats | None:
    """A step that separates the classes, shape (d,); None where none does or it cannot be told.

    problem : with no columns that are collinear. coefficients : from where to look, shape (d,).
    """
    at, side = coefficients, np.where(problem.y_true, 1.0, -1.0)[problem.weight > 0]
    for _ in range(STEPS):
        own = information(problem.z, problem.eta(at), problem.weight)
        size = np.sqrt(np.maximum(np.diag(own), 1e-300))
        try:
            step = np.linalg.solve(own / np.outer(size, size), problem.gradient(at) / size) / size
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
    """The columns that move log odds most along a step, the first of them first."""
    moved = np.abs(step[1:]) * problem.z[:, 1:].std(axis=0)
    if not len(moved):
        return []
    return [
        problem.names[1 + at] for at in np.argsort(-moved) if moved[at] > _OF_LARGEST * moved.max()
    ]
