"""The efficiency of a sample before it is drawn: by the plan of a pilot, and by the formulas.

With p(1-p) z z' the information of a row, a fit with the offset keeps

    I(pi) = sum p(1-p) pi / (p + (1-p) pi) z z'    of    I = sum p(1-p) z z',

and a fit with weights has the variance I^-1 B I^-1, B = I + sum (1-p) p^2 (1/pi - 1) z z'. The
efficiency is d / trace(I I(pi)^-1), or d / trace(B I^-1): theorems 2 and 4 of the paper. They need
the true p; a plan has rows that stand for the table, and simulates draws where the formulas fail.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.random import Generator
from numpy.typing import NDArray

from rebalance.core.correction import probability
from rebalance.core.efficiency import Chances
from rebalance.core.forecast import Forecast
from rebalance.learners import get_learner
from rebalance.learners.base import Settings, TrainingRows
from rebalance.steps.draw import STAND
from rebalance.steps.information import stand_of
from tests.benchmarks.paper.populations import Population
from tests.benchmarks.paper.sampling import Pilot

Floats = NDArray[np.float64]


def information(population: Population, coefficients: Floats) -> Floats:
    """I of all rows at these coefficients, shape (7, 7)."""
    total = np.zeros((len(coefficients), len(coefficients)))
    for z in (population.positives, population.negatives):
        p = probability(z @ coefficients)
        total += (z.T * (p * (1 - p))) @ z
    return total


class Formulas:
    """Efficiencies by the formulas from the true p, over every so manieth row."""

    def __init__(self, population: Population, truth: Floats, every: int) -> None:
        z = population.positives[::every], population.negatives[::every]
        self.z = np.concatenate(z)
        self._p = probability(self.z @ truth)
        self._inverse = np.linalg.inv(self._sum(self._p * (1 - self._p)))

    def of(self, pi: Floats) -> Floats:
        """With weights and with the offset, shape (2,)."""
        p, d = self._p, len(self._inverse)
        extra = self._sum((1 - p) * p * p * (1 / pi - 1))
        kept = self._sum(p * (1 - p) * pi / (p + (1 - p) * pi))
        with_offset = np.trace(np.linalg.inv(self._inverse) @ np.linalg.inv(kept))
        return np.array([d / (d + np.trace(extra @ self._inverse)), d / with_offset])

    def _sum(self, share: Floats) -> Floats:
        return (self.z.T * share) @ self.z


class Plan:
    """Efficiencies as `rebalance pilot` plans them, from a pilot's rows and some that stand."""

    def __init__(self, population: Population, pilot: Pilot, generator: Generator) -> None:
        positives, negatives = population.positives, population.negatives
        others = generator.choice(len(negatives), STAND, replace=False)
        self.z = np.concatenate([positives, negatives[others]])
        stands_for = np.repeat([1.0, len(negatives) / len(others)], [len(positives), len(others)])
        own = negatives[pilot.drawn]
        shift = np.log(pilot.positive_rate / pilot.rate)
        rows = _rows(positives[pilot.positives_drawn], own, shift)
        others_shift = np.log(len(negatives) / len(others))
        standing = _rows(positives, negatives[others], others_shift)
        fitted = get_learner("logistic").fit(rows, Settings())
        stand = stand_of(fitted, rows, standing, stands_for)
        self._forecast = Forecast(stand.z, stand.log_odds, stand.count, stand.known, simulated=True)

    def of(self, pi: Floats) -> Floats:
        """With weights and with the offset, shape (2,)."""
        ones = np.ones(len(self.z))
        found = self._forecast.of(Chances(pi * ones, ones))
        return np.array([found[each].efficiency for each in ("weight", "offset")])


def _rows(positives: Floats, negatives: Floats, shift: float) -> TrainingRows:
    """Rows as the pilot's learner takes them; the constant of z is its own."""
    z = np.concatenate([positives, negatives])
    names = [f"x{column}" for column in range(1, z.shape[1])]
    nothing = np.zeros(len(z))
    return TrainingRows(
        columns={name: pa.array(z[:, at]) for at, name in enumerate(names, 1)},
        kinds=dict.fromkeys(names, "number"),
        y_true=np.repeat([True, False], [len(positives), len(negatives)]),
        offset=nothing + shift,
        baseline=nothing,
        sample_weight=None,
        draws=nothing,
    )
