"""Pilot, scores and draws: Poisson draws over arrays, with budgets exact to 1e-4."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from rebalance.core.correction import log_probability, offset
from rebalance.core.design import Design, ScoreHistogram
from rebalance.core.labels import Label
from tests.benchmarks.paper.newton import fit
from tests.benchmarks.paper.populations import Population

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]

PILOT_ROWS = 200
FLOOR = 0.1  # of the rate
RIDGE = 1e-6  # of the mean of M's diagonal
_LABEL = Label("y", "1", ("0",))


@dataclass(frozen=True)
class Pilot:
    """What a balanced draw of few rows says.

    coefficients : intercept on the population's scale first, shape (7,).
    inverse : M^-1 with M = sum over the draw's positives of z z', shape (7, 7).
    drawn, positives_drawn : the rows of either class that were drawn, as positions.
    rate, positive_rate : the probabilities with which each of them was.
    """

    coefficients: Floats
    inverse: Floats
    drawn: Indices
    rate: float
    positives_drawn: Indices
    positive_rate: float


def draw_pilot(population: Population, generator: Generator, size: int = PILOT_ROWS) -> Pilot:
    """Half the rows expected from each class, an unweighted fit, the intercept shifted back."""
    positives, negatives = population.positives, population.negatives
    rates = [min(size / 2 / len(rows), 1.0) for rows in (positives, negatives)]
    positives_drawn = np.flatnonzero(generator.random(len(positives)) < rates[0])
    ours = positives[positives_drawn]
    drawn = np.flatnonzero(generator.random(len(negatives)) < rates[1])
    z = np.concatenate([ours, negatives[drawn]])
    y = np.repeat([1.0, 0.0], [len(ours), len(drawn)])
    coefficients = fit(z, y, np.zeros(z.shape[1]))
    coefficients[0] -= np.log(rates[0] / rates[1])
    moments = ours.T @ ours
    moments += RIDGE * np.trace(moments) / len(moments) * np.eye(len(moments))
    return Pilot(coefficients, np.linalg.inv(moments), drawn, rates[1], positives_drawn, rates[0])


def log_scores(pilot: Pilot, z: Floats) -> dict[str, Floats]:
    """log t of the rows: p~, and p~ ||M^-1 z||, which is optimal for the sum of the variances."""
    log_p = log_probability(z @ pilot.coefficients)
    across = z @ pilot.inverse
    length = 0.5 * np.log(np.einsum("ij,ij->i", across, across))
    return {"probability": log_p, "a-opt": log_p + length}


@dataclass(frozen=True)
class Sample:
    """The negatives kept, as positions, and pi_0 of every row that the fit sees.

    pi_0_positives : what a negative at each positive's x would have, shape (N1,).
    pi_0_negatives : of the negatives kept.
    """

    design: Design
    kept: Indices
    pi_0_positives: Floats
    pi_0_negatives: Floats

    @property
    def offset(self) -> Floats:
        """l(x) of the positives, then of the negatives kept."""
        pi_0 = np.concatenate([self.pi_0_positives, self.pi_0_negatives])
        return offset(pi_0, np.ones(1))

    @property
    def weight(self) -> Floats:
        """1 of the positives, then 1 / pi_0 of the negatives kept."""
        return np.concatenate([np.ones(len(self.pi_0_positives)), 1 / self.pi_0_negatives])


def designs(score: str, log_t: Floats, positives: int, budgets: list[int]) -> list[Design]:
    """One design for each budget; c is solved over all negatives, whose log t is given."""
    uniform = score == "uniform"
    histogram = ScoreHistogram(lambda rank: rank)
    if not uniform:
        histogram.add(log_t)
    made = []
    for budget in budgets:
        rate = budget / len(log_t)
        made.append(
            Design(
                method="uniform" if uniform else "nonuniform",
                score=score,
                rate=rate,
                c=rate if uniform else histogram.solve(budget, FLOOR * rate, 0.0),
                floor=rate if uniform else FLOOR * rate,
                mix=0.0,
                seed=0,
                label=_LABEL,
                positives=positives,
                negatives=len(log_t),
            )
        )
    return made


def draw_samples(
    chosen: list[Design], log_t: Floats, log_t_positives: Floats, uniforms: Floats
) -> list[Sample]:
    """A sample for each design, budgets ascending; a negative is kept where u < pi_0.

    A larger budget's pi_0 is nowhere smaller, so the rows of the largest hold those of the rest.
    """
    candidates = np.arange(len(log_t))
    samples = []
    for design in reversed(chosen):
        pi_0 = design.pi_0(log_t[candidates])
        keep = uniforms[candidates] < pi_0
        candidates = candidates[keep]
        samples.append(Sample(design, candidates, design.pi_0(log_t_positives), pi_0[keep]))
    return samples[::-1]
