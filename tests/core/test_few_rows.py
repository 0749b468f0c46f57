"""Simulated errors of weighted fits: one coefficient exactly, and real draws of a population."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binom

from rebalance.core.efficiency import Chances
from rebalance.core.few_rows import Population, error_of_few
from tests.benchmarks.paper.newton import fit

Floats = NDArray[np.float64]


def test_one_coefficient_exactly() -> None:
    """Of 5,000 negatives 30 are expected, each weighs 1 / pi: the intercept is off by log(30 / K).

    K is binomial. In steps of 1 / sqrt(I), I = N p (1 - p), two rows standing for the population.
    """
    positives, negatives, rate = 100, 5000, 0.006
    p = positives / (positives + negatives)
    whole = (positives + negatives) * p * (1 - p)
    kept = np.arange(1, 200)
    chance = binom.pmf(kept, negatives, rate)
    exact = whole * float(chance @ np.log(negatives * rate / kept) ** 2)
    stand = Population(
        np.full((2, 1), whole**-0.5),
        np.full(2, np.log(positives / negatives)),
        np.array([1100.0, 4000.0]),
    )
    formula = p**2 * negatives * (1 / rate - 1) / (positives + negatives) / p / (1 - p)
    found, error = error_of_few(
        stand, Chances(np.full(2, rate), np.ones(2)), formula * (positives + negatives)
    )
    assert abs(found - exact) < 3 * error < 0.5 * exact


def test_as_real_draws_of_a_population_where_the_sandwich_is_not() -> None:
    """100 of 20,000 negatives, features with heavy tails, 400 times; both means to their errors."""
    generator = np.random.default_rng(3)
    z = np.column_stack([np.ones(20_000), generator.standard_t(2, size=(20_000, 2)) / 2])
    true = np.array([-5.0, 1.0, -1.0])
    y = generator.random(len(z)) < 1 / (1 + np.exp(-(z @ true)))
    whole = fit(z, y.astype(np.float64), true)
    q = 1 / (1 + np.exp(-(z @ whole)))
    information = (z * (q * (1 - q))[:, None]).T @ z
    squares = []
    for _ in range(400):
        kept = y | (generator.random(len(y)) < 0.005)
        weight = np.where(y, 1.0, 200.0)[kept]
        off = fit(z[kept], y[kept].astype(np.float64), whole, weight=weight) - whole
        squares.append(off @ information @ off)
    expected, known = np.mean(squares), np.std(squares) / 20
    root = np.linalg.cholesky(np.linalg.inv(information))
    stand = Population(z @ root, z @ whole, np.ones(len(z)))
    brought = (1 - q) * q**2 * 199 * (stand.z**2).sum(axis=1)
    chances = Chances(np.full(len(z), 0.005), np.ones(len(z)))
    found, error = error_of_few(stand, chances, float(brought.sum()))
    assert abs(found - expected) < 3 * np.hypot(error, known)
    assert expected - brought.sum() > 6 * known  # the sandwich
    assert error < 0.15 * found


def test_positives_that_are_let_go_count_too() -> None:
    """Of 60 positives half are kept, weighing 2, and all negatives: the mirror of the first."""
    positives, negatives = 60, 4000
    p = positives / (positives + negatives)
    whole = (positives + negatives) * p * (1 - p)
    kept = np.arange(1, 61)
    chance = binom.pmf(kept, positives, 0.5)
    exact = whole * float(chance @ np.log(kept / 30) ** 2)
    stand = Population(
        np.array([[whole**-0.5]]), np.array([np.log(p / (1 - p))]), np.array([4060.0])
    )
    linear = positives * (1 - p) ** 2 / whole
    found, error = error_of_few(stand, Chances(np.ones(1), np.full(1, 0.5)), linear)
    # A Poisson number stands for the binomial one: 30 of 60 in half, .5 x 30 for sure.
    assert abs(found - exact) < 3 * error < 0.5 * exact
    assert error_of_few(stand, Chances(np.ones(1), np.ones(1)), 0.0) == (0.0, 0.0)
