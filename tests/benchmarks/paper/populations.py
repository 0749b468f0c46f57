"""The four populations: six features, slopes of -1, an intercept that makes positives rare."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from rebalance.core.correction import probability

Floats = NDArray[np.float64]

FEATURES = 6
SLOPE = -1.0


def normal(generator: Generator, rows: int) -> Floats:
    """N(0, Sigma) with Sigma_jk = 0.5^|j-k| / 4, shape (rows, 6)."""
    distance = np.abs(np.subtract.outer(np.arange(FEATURES), np.arange(FEATURES)))
    root = np.linalg.cholesky(0.5**distance / 4)
    return generator.standard_normal((rows, FEATURES)) @ root.T


def lognormal(generator: Generator, rows: int) -> Floats:
    """exp of `normal`: skewed."""
    return np.exp(normal(generator, rows))


def student(generator: Generator, rows: int) -> Floats:
    """Multivariate t with 3 degrees of freedom, divided by 3: heavy tails."""
    spread = np.sqrt(generator.chisquare(3, rows) / 3)
    return normal(generator, rows) / spread[:, None] / 3


def exponential(generator: Generator, rows: int) -> Floats:
    """Six independent Exp(1)."""
    return generator.standard_exponential((rows, FEATURES))


@dataclass(frozen=True)
class Case:
    """One distribution of the features, and the intercept that goes with it."""

    name: str
    intercept: float
    features: Callable[[Generator, int], Floats]

    @property
    def truth(self) -> Floats:
        """The coefficients, intercept first, shape (7,)."""
        return np.array([self.intercept, *[SLOPE] * FEATURES])


CASES = (
    Case("normal", -7.65, normal),
    Case("lognormal", -0.5, lognormal),
    Case("t with 3 df", -7.0, student),
    Case("exponential", -1.8, exponential),
)


@dataclass(frozen=True)
class Population:
    """z = (1, x) of the rows of either class, shapes (N1, 7) and (N0, 7)."""

    positives: Floats
    negatives: Floats


def draw(case: Case, rows: int, generator: Generator) -> Population:
    """A population of so many rows."""
    z = np.column_stack([np.ones(rows), case.features(generator, rows)])
    y = generator.random(rows) < probability(z @ case.truth)
    return Population(z[y], z[~y])
