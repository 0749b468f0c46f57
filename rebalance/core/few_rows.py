"""The error of a weighted fit where few rows carry its variance, by simulated draws and fits.

The sandwich I^-1 B I^-1 (see `efficiency`) is the variance of the linear part of the error, H^-1 s
with H taken for its mean. Of few rows with large weights it does not hold: H varies with the rows
that make the score s, and where features have heavy tails, the rows that B counts most are hardly
ever drawn. So rows are drawn as the design is going to draw them, and fitted, some times over. What
the linear part comes to in these draws, against what it does on average, corrects for their luck
(a control variate, by regression).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from rebalance.core.correction import probability
from rebalance.core.efficiency import Chances

Floats = NDArray[np.float64]

# Draws: until the mean is known well enough, a relative standard error; in each of them there are d
# squares of errors, of which few, with heavy tails, say little.
_LEAST_SQUARES, _AT_ONCE, _MOST_DRAWS = 400, 8, 120
_KNOWN_ENOUGH = 0.05
# In standard errors of a mean: a control that is further off is no guide to these draws.
_TOO_FAR = 3.0
# A gradient in standard errors of the fit to the whole population, and when to give up.
_GRADIENT, _STEPS, _REMEMBERED = 0.1, 200, 20


@dataclass(frozen=True)
class Population:
    """Rows that stand for a population, shape (n,) but for z.

    z : in coordinates in which the population's information is the identity, shape (n, d).
    log_odds : the population's. count : how many of its rows each stands for.
    """

    z: Floats
    log_odds: Floats
    count: Floats


def error_of_few(rows: Population, chances: Chances, expected: float) -> tuple[float, float]:
    """The mean of e'I e, e what a sample and its weights add to the error, and its standard error.

    expected : of the linear part of e, what the sandwich says.
    """
    generator = np.random.default_rng(0)
    size = rows.z.shape[1]
    draws: list[tuple[float, float]] = []
    value, error = 0.0, np.inf
    while len(draws) < _MOST_DRAWS and (
        error > _KNOWN_ENOUGH * (size + value) or len(draws) * size < _LEAST_SQUARES
    ):
        draws += [_drawn(rows, chances, generator) for _ in range(_AT_ONCE)]
        linear, whole = np.array(draws).T
        value, error = _mean(linear, whole, expected)
    return value, error


def _mean(linear: Floats, whole: Floats, expected: float) -> tuple[float, float]:
    """The mean of `whole` with `linear` for its control, and its standard error."""
    apart, off = linear - linear.mean(), expected - float(linear.mean())
    squares = float(apart @ apart)
    guided = 0 < off**2 * len(linear) ** 2 < _TOO_FAR**2 * squares
    slope = float(apart @ whole) / squares if guided else 0.0
    left = whole - whole.mean() - slope * apart
    error = float(np.sqrt(left @ left / (len(left) - 1) / len(left)))
    return max(float(whole.mean()) + slope * off, 0.0), error


def _drawn(rows: Population, chances: Chances, generator: Generator) -> tuple[float, float]:
    """e'I e of the linear part, and of the whole, in one draw."""
    p = probability(rows.log_odds)
    negatives, positives = (
        _kept(rows.count * share, chance, generator) / chance
        for share, chance in ((1 - p, chances.pi_0), (p, chances.pi_1))
    )
    score = rows.z.T @ (positives * (1 - p) - negatives * p)
    error = _maximum(rows, positives, negatives)
    return float(score @ score), float(error @ error)


def _kept(count: Floats, chance: Floats, generator: Generator) -> Floats:
    """How many of so many rows are kept, which need not be whole numbers: mean and variance."""
    mean = chance * count
    return np.asarray(chance * mean + generator.poisson((1 - chance) * mean))


def _maximum(rows: Population, positives: Floats, negatives: Floats) -> Floats:
    """What is best to be added to the coefficients, given what the rows of each class count."""
    from scipy.optimize import minimize

    total = positives + negatives

    def loss(b: Floats) -> tuple[float, Floats]:
        eta = rows.log_odds + rows.z @ b
        small = np.exp(-np.abs(eta))  # one exponential serves value and gradient
        q = np.where(eta >= 0, 1.0, small) / (1.0 + small)
        value = total @ (np.maximum(eta, 0.0) + np.log1p(small)) - positives @ eta
        return float(value), rows.z.T @ (total * q - positives)

    options = {"gtol": _GRADIENT, "ftol": 0.0, "maxiter": _STEPS, "maxcor": _REMEMBERED}
    found = minimize(loss, np.zeros(rows.z.shape[1]), jac=True, method="L-BFGS-B", options=options)
    return np.asarray(found.x)
