"""Separation and collinearity: against linear programs, and on tables made so."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linprog

from rebalance.errors import FitError
from rebalance.learners.glm import Penalty, Problem, maximise
from rebalance.learners.separation import separating, undetermined

Floats = NDArray[np.float64]


def problem(z: Floats, y_true: NDArray[np.bool_], offset: float = 0.0) -> Problem:
    names = ["intercept", *"abcdefgh"[: z.shape[1]]]
    z = np.column_stack([np.ones(len(z)), z])
    return Problem(z, names, y_true, np.full(len(z), offset), np.ones(len(z)))


def separable(found: Problem) -> bool:
    """Albert and Anderson 1984: some b has (2y - 1) z'b >= 0 in all rows, and above 0 in one."""
    signed = np.where(found.y_true, 1.0, -1.0)[:, None] * found.z
    bounds = [(-1, 1)] * signed.shape[1]
    best = linprog(-signed.sum(axis=0), A_ub=-signed, b_ub=np.zeros(len(signed)), bounds=bounds)
    return bool(best.fun < -1e-7)


@pytest.mark.parametrize("l2", [0.01, 10.0])
def test_as_a_linear_program_says(l2: float) -> None:
    generator = np.random.default_rng(4)
    seen = []
    for _ in range(60):
        z = np.round(generator.normal(size=(40, 3)), 1)
        z[:, 2] = z[:, 2] > 1  # a level, of which all rows may be of one class
        y = generator.random(40) < 1 / (1 + np.exp(2 - 3 * z[:, 0]))
        y[:2] = True, False
        each = problem(z, y, offset=1.0)
        start = maximise(each, Penalty(0.0, l2)).coefficients
        seen.append(separable(each))
        assert (separating(each, start) is not None) == seen[-1]
    assert 5 < sum(seen) < 55


def test_what_the_penalty_alone_determines_is_named() -> None:
    generator = np.random.default_rng(5)
    x, u = generator.normal(size=(2, 400))
    y = generator.random(400) < 1 / (1 + np.exp(1 - x))
    for z, expected in (
        (np.column_stack([x, u]), ([], [])),
        (np.column_stack([x, u, 2 * x + 3]), (["a", "c"], [])),
        (np.column_stack([u, y]), ([], ["b"])),
        (np.column_stack([u, y & (u > 0)]), ([], ["b"])),
        # A level without positives is not counted.
        (np.column_stack([u, ~y & (u > 0)]), ([], [])),
        (np.column_stack([u, y, 1 - y * 2.0]), (["b", "c"], ["b"])),
    ):
        found = problem(z, y)
        at = maximise(found, Penalty(0.0, 0.01)).coefficients
        assert undetermined(found, at) == expected


def test_of_many_rows_some_are_looked_at_first() -> None:
    # 40,000 negatives, of which every fourth is looked at: in these b is constant and c is a.
    generator = np.random.default_rng(7)
    row = np.arange(40_100)
    y = row >= 40_000
    a = generator.normal(size=len(row)) + y
    alone = ~y & (row % 4 == 1)
    for b, c, expected in (
        (alone, a + alone, (["a", "b", "c"], [])),
        (alone, a + alone * generator.normal(size=len(row)), ([], [])),
        (alone | y, generator.normal(size=len(row)), ([], [])),
        ((row % 4 == 2) & ~y, y & (a > 1), ([], ["c"])),
    ):
        found = problem(np.column_stack([a, b, c]), y)
        at = maximise(found, Penalty(0.0, 0.01)).coefficients
        assert undetermined(found, at) == expected


@pytest.mark.parametrize("kind", ["the label", "a category"])
def test_a_column_that_is_the_label_is_named_without_a_penalty(kind: str) -> None:
    generator = np.random.default_rng(6)
    y = np.arange(5000) % 50 == 0
    u = generator.normal(size=5000)
    gives_away = y - y.mean() if kind == "the label" else y
    with pytest.raises(FitError, match=r"the classes can be separated by 'b': the best"):
        maximise(problem(np.column_stack([u, gives_away]), y), Penalty(0.0, 0.0))
