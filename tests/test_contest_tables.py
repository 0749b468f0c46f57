"""The table of the contest on real tables, from sums that are made here."""

from __future__ import annotations

import numpy as np

from rebalance.steps.compare.outcome import METRICS, Outcome
from rebalance.steps.compare.ways import Way
from tests.benchmarks.contest_tables import Sums, off, pooled

TABLES, FOLDS = 12, 5


def test_corrected_ways_hold_one_and_what_was_not_corrected_does_not() -> None:
    """Twelve tables, five folds of 40 positives each: Poisson counts, true probabilities."""
    generator = np.random.default_rng(6)
    found = {Way("uniform", "logistic"): Sums(), Way("random-over", "gbm"): Sums()}
    for way, sums in found.items():
        factor = 1.0 if way.standing == "exact" else 0.7
        for _ in range(TABLES):
            sums.add([fold(way, number, factor, generator) for number in range(FOLDS)], 0.25)
    lines = [line.split(" | ") for line in pooled(found).splitlines()[2:]]
    of = {line[0].removeprefix("| "): line for line in lines}
    assert of["uniform x logistic"][2] == str(TABLES)
    assert of["uniform x logistic"][5] == "yes"
    assert of["random-over x gbm"][5] == "no"
    assert all(line[7].startswith("no") for line in lines)
    assert off(found) == []
    found[Way("uniform", "logistic")].uncorrected = found[Way("uniform", "logistic")].corrected
    assert off(found) == ["uniform x logistic is not off without the correction"]


def fold(way: Way, number: int, factor: float, generator: np.random.Generator) -> Outcome:
    scores = dict.fromkeys(METRICS, 0.1) | {"mean_predicted": factor * 40 / 1_000}
    raw = scores | {"mean_predicted": 5 * scores["mean_predicted"]}
    observed = int(generator.poisson(40))
    return Outcome(way.name, number, 100, 20, 1_000, observed, {"train": 0.1}, 0.1, scores, raw)
