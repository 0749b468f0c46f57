"""The information that a sample keeps, computed before it is drawn.

With p(1-p) z z' the information of a row, a fit with the offset keeps

    I(pi) = sum p(1-p) pi / (p + (1-p) pi) z z'    of    I = sum p(1-p) z z',

and a fit with weights has the variance I^-1 B I^-1, B = I + sum (1-p) p^2 (1/pi - 1) z z'. The
efficiency is d / trace(I I(pi)^-1), or d / trace(B I^-1): theorems 2 and 4 of the paper.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from rebalance.core.correction import probability
from tests.benchmarks.paper.populations import Population

Floats = NDArray[np.float64]


def information(population: Population, coefficients: Floats) -> Floats:
    """I of all rows at these coefficients, shape (7, 7)."""
    total = np.zeros((len(coefficients), len(coefficients)))
    for z in (population.positives, population.negatives):
        p = probability(z @ coefficients)
        total += (z.T * (p * (1 - p))) @ z
    return total


class Efficiency:
    """Predicted from each of some coefficients over every so manieth row, whatever its class."""

    def __init__(self, population: Population, coefficients: Sequence[Floats], every: int) -> None:
        z = population.positives[::every], population.negatives[::every]
        self.z = np.concatenate(z)
        self._p = [probability(self.z @ each) for each in coefficients]
        self._inverse = [np.linalg.inv(self._sum(p * (1 - p))) for p in self._p]

    def of(self, pi: Floats) -> Floats:
        """By coefficients, with weights and with the offset: shape (coefficients, 2)."""
        found = []
        for p, inverse in zip(self._p, self._inverse, strict=True):
            extra = self._sum((1 - p) * p * p * (1 / pi - 1))
            weighted = len(inverse) + np.trace(extra @ inverse)
            kept = self._sum(p * (1 - p) * pi / (p + (1 - p) * pi))
            with_offset = np.trace(np.linalg.inv(inverse) @ np.linalg.inv(kept))
            found.append([len(inverse) / weighted, len(inverse) / with_offset])
        return np.array(found)

    def _sum(self, share: Floats) -> Floats:
        return (self.z.T * share) @ self.z
