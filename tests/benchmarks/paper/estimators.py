"""One replication: a population, its pilots and samples, and every estimator's coefficients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.random import Generator, default_rng
from numpy.typing import NDArray

from rebalance.core.correction import offset
from tests.benchmarks.paper.information import Formulas, Plan, information
from tests.benchmarks.paper.newton import fit
from tests.benchmarks.paper.populations import CASES, Population, draw
from tests.benchmarks.paper.sampling import (
    Pilot,
    Sample,
    designs,
    draw_pilot,
    draw_samples,
    log_scores,
)

Floats = NDArray[np.float64]

PILOTS = ("as fitted", "wrong")
METHODS = (
    "full",
    "uniform, weighted",
    "uniform, offset",
    "optimal, weighted",
    "optimal, offset",
    "probability, offset",
    "local case-control",
    "combined",
)
# Of these the efficiency is predicted: planned by the pilot, and by the formulas with the true p.
PREDICTED = METHODS[1:5]
SOURCES = ("plan", "true p")
WRONG = 1.5  # the wrong pilot's coefficients are off by so much times U(0, 1)
LEAST_POSITIVE_RATE = 0.1
_EVERY = 10  # rows that a prediction of the efficiency is summed over
PLANNED_EVERY = 3  # replications: a plan for weights simulates draws of its own


@dataclass(frozen=True)
class Replication:
    """What one population gave.

    estimates : shape (pilots, methods, budgets, 7).
    kept : rows of the fit, negatives and positives, shape (pilots, methods, budgets, 2).
    predicted : efficiency with the pilot as fitted, shape (SOURCES, PREDICTED, budgets); NaN in
        most replications.
    information : of the population at the true coefficients, shape (7, 7).
    positives : their number.
    """

    estimates: Floats
    kept: Floats
    predicted: Floats
    information: Floats
    positives: int


def replicate(case_number: int, seed: int, rows: int, budgets: Sequence[int]) -> Replication:
    """One replication; everything random follows from the case and the seed."""
    case = CASES[case_number]
    streams = np.random.SeedSequence([case_number, seed]).spawn(5)
    for_population, for_pilot, for_sample, for_error, for_plans = map(default_rng, streams)
    population = draw(case, rows, for_population)
    pilot = draw_pilot(population, for_pilot)
    error = WRONG * for_error.random(len(pilot.coefficients))
    pilots = [pilot, replace(pilot, coefficients=pilot.coefficients + error)]
    uniforms = _Uniforms(population, for_sample)
    shape = (len(PILOTS), len(METHODS), len(budgets))
    estimates = np.full((*shape, len(case.truth)), np.nan)
    kept = np.full((*shape, 2), np.nan)
    negatives = len(population.negatives)
    full = _fit(population.positives, population.negatives, case.truth)
    estimates[:, METHODS.index("full")] = full
    kept[:, METHODS.index("full")] = negatives, len(population.positives)
    predicted = np.full((len(SOURCES), len(PREDICTED), len(budgets)), np.nan)
    for which, each in enumerate(pilots):
        ways = _Ways(population, each, uniforms, list(budgets), full)
        for method, number, rows_kept, found in ways.estimates():
            estimates[which, METHODS.index(method), number] = found
            kept[which, METHODS.index(method), number] = rows_kept
        if which == 0 and seed % PLANNED_EVERY == 0:
            sources = [
                Plan(population, pilot, for_plans),
                Formulas(population, case.truth, _EVERY),
            ]
            predicted[:] = _predicted(sources, ways.optimal, each, list(budgets), negatives)
    return Replication(
        estimates, kept, predicted, information(population, case.truth), len(population.positives)
    )


def _predicted(
    sources: Sequence[Plan | Formulas],
    optimal: Sequence[Sample],
    pilot: Pilot,
    budgets: Sequence[int],
    negatives: int,
) -> Floats:
    """The efficiencies by every source, shape (SOURCES, PREDICTED, budgets)."""
    found = np.empty((len(sources), len(PREDICTED), len(budgets)))
    for place, source in enumerate(sources):
        log_t = log_scores(pilot, source.z)["a-opt"]
        for number, sample in enumerate(optimal):
            found[place, :2, number] = source.of(np.full(1, budgets[number] / negatives))
            found[place, 2:, number] = source.of(sample.design.pi_0(log_t))
    return found


class _Uniforms:
    """One draw a row, the same for all samples: what differs is due to the methods."""

    def __init__(self, population: Population, generator: Generator) -> None:
        self.positives = generator.random(len(population.positives))
        self.negatives = generator.random(len(population.negatives))


class _Ways:
    """The estimators that sample, under one pilot."""

    def __init__(
        self,
        population: Population,
        pilot: Pilot,
        uniforms: _Uniforms,
        budgets: list[int],
        start: Floats,
    ) -> None:
        self._population, self._pilot, self._uniforms = population, pilot, uniforms
        self._start = start
        self._scores = [
            log_scores(pilot, z) | {"uniform": np.zeros(len(z))}
            for z in (population.positives, population.negatives)
        ]
        drawn = {
            score: draw_samples(
                designs(score, self._scores[1][score], len(population.positives), budgets),
                self._scores[1][score],
                self._scores[0][score],
                uniforms.negatives,
            )
            for score in ("uniform", "a-opt", "probability")
        }
        self.optimal = drawn["a-opt"]
        self._uniform, self._probability = drawn["uniform"], drawn["probability"]

    def estimates(self) -> Iterator[tuple[str, int, tuple[int, int], Floats]]:
        """Method, number of the budget, negatives and positives fitted, coefficients."""
        positives = len(self._population.positives)
        for number, (uniform, optimal, other) in enumerate(
            zip(self._uniform, self.optimal, self._probability, strict=True)
        ):
            for name, sample in (("uniform", uniform), ("optimal", optimal)):
                rows = len(sample.kept), positives
                yield f"{name}, weighted", number, rows, self._weighted(sample)
                yield f"{name}, offset", number, rows, self._offset(sample)
            yield "probability, offset", number, (len(other.kept), positives), self._offset(other)
            yield "local case-control", number, *self._local_case_control(other)
            yield "combined", number, *self._combined(optimal)

    def _weighted(self, sample: Sample) -> Floats:
        negatives = self._population.negatives[sample.kept]
        return _fit(self._population.positives, negatives, self._start, weight=sample.weight)

    def _offset(self, sample: Sample) -> Floats:
        negatives = self._population.negatives[sample.kept]
        return _fit(self._population.positives, negatives, self._start, offset=sample.offset)

    def _local_case_control(self, sample: Sample) -> tuple[tuple[int, int], Floats]:
        """Fithian and Hastie 2014: both classes near |y - p~|; the score p~ draws its negatives."""
        logs = self._scores[0]["probability"], self._scores[1]["probability"][sample.kept]
        pi_1 = [np.clip(1 - np.exp(log_p), LEAST_POSITIVE_RATE, 1.0) for log_p in logs]
        ours = self._uniforms.positives < pi_1[0]
        shift = np.concatenate(
            [
                offset(sample.pi_0_positives, pi_1[0])[ours],
                offset(sample.pi_0_negatives, pi_1[1]),
            ]
        )
        positives = self._population.positives[ours]
        negatives = self._population.negatives[sample.kept]
        found = _fit(positives, negatives, self._start, offset=shift)
        return (len(negatives), len(positives)), found

    def _combined(self, sample: Sample) -> tuple[tuple[int, int], Floats]:
        """The rows of pilot and sample together, positives once, negatives of either."""
        kept = np.union1d(self._pilot.drawn, sample.kept)
        q = self._pilot.rate
        log_t = [self._scores[0]["a-opt"], self._scores[1]["a-opt"][kept]]
        pi_0 = 1 - (1 - q) * (1 - sample.design.pi_0(np.concatenate(log_t)))
        positives, negatives = self._population.positives, self._population.negatives[kept]
        found = _fit(positives, negatives, self._start, offset=offset(pi_0, np.ones(1)))
        return (len(negatives), len(positives)), found


def _fit(
    positives: Floats,
    negatives: Floats,
    start: Floats,
    *,
    offset: Floats | None = None,
    weight: Floats | None = None,
) -> Floats:
    z = np.concatenate([positives, negatives])
    y = np.repeat([1.0, 0.0], [len(positives), len(negatives)])
    return fit(z, y, start, offset=offset, weight=weight)
