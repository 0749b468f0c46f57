"""outcomes on folds -> ranked ways with intervals, and what is more than noise"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rebalance.core.comparison import Difference, Estimate, adjusted, over_folds, paired
from rebalance.steps.compare.outcome import METRICS, Outcome, Scores
from rebalance.steps.compare.ways import Way

# Whether more of it is better.
RANKED_BY = {"log_loss": False, "average_precision": True, "roc_auc": True, "brier": False}
# Where a figure can be.
RANGES = {
    "log_loss": (0.0, np.inf),
    "average_precision": (0.0, 1.0),
    "roc_auc": (0.0, 1.0),
    "brier": (0.0, 1.0),
    "predicted_over_observed": (0.0, np.inf),
    "recall_at_precision": (0.0, 1.0),
}
ALPHA = 0.05


@dataclass(frozen=True)
class Versus:
    """A way's figure less that of the best, on the folds that both have.

    p_adjusted : the p value times the number of comparisons; is_more : it is below `ALPHA`.
    """

    difference: Difference
    p_adjusted: float
    is_more: bool


@dataclass(frozen=True)
class Place:
    """A way's place in the table.

    folds : how many it was measured on. rows : trained on, the mean. seconds : of pilot, sample and
    training, the mean. metrics, uncorrected : by name, of `METRICS`. versus : None of the best.
    """

    rank: int
    way: Way
    folds: int
    rows: float
    seconds: float
    metrics: Mapping[str, Estimate]
    uncorrected: Mapping[str, Estimate] | None
    versus: Versus | None
    outcomes: tuple[Outcome, ...]

    def document(self) -> dict[str, Any]:
        """The place as JSON."""
        versus = None
        if self.versus is not None:
            versus = asdict(self.versus.difference) | {
                "p_adjusted": self.versus.p_adjusted,
                "more_than_noise": self.versus.is_more,
            }
        return {
            "rank": self.rank,
            "method": self.way.typed,
            "learner": self.way.learner,
            "probabilities": self.way.standing,
            "folds": self.folds,
            "rows": self.rows,
            "seconds": self.seconds,
            "metrics": _documents(self.metrics),
            "uncorrected": _documents(self.uncorrected) if self.uncorrected else None,
            "versus_best": versus,
            "by_fold": [_by_fold(each) for each in self.outcomes],
        }


def _by_fold(outcome: Outcome) -> dict[str, Any]:
    document = outcome.to_document()
    del document["way"], document["finishing"]
    return document


def _documents(estimates: Mapping[str, Estimate]) -> dict[str, Any]:
    return {name: asdict(each) for name, each in estimates.items()}


def rank_ways(
    outcomes: Mapping[Way, Sequence[Outcome]], metric: str, test_per_train: float
) -> list[Place]:
    """The ways by the mean of a metric; those that missed folds follow those that did not.

    Each is compared with the first by the corrected resampled t test on the folds that both have,
    and the p values are Bonferroni's (see `core.comparison`).
    """
    most = max(len(found) for found in outcomes.values())
    sign = -1.0 if RANKED_BY[metric] else 1.0

    def worth(way: Way) -> tuple[bool, float]:
        found = outcomes[way]
        mean = float(np.mean([each.scores[metric] for each in found]))
        return len(found) < most, float("inf") if np.isnan(mean) else sign * mean

    order = sorted(outcomes, key=worth)
    best = {each.fold: each.scores[metric] for each in outcomes[order[0]]}
    differences = [
        paired(
            np.array([e.scores[metric] - best[e.fold] for e in outcomes[way] if e.fold in best]),
            test_per_train,
        )
        for way in order[1:]
    ]
    corrected = adjusted([each.p_value for each in differences])
    compared = [None] + [
        Versus(each, p_value, p_value < ALPHA)
        for each, p_value in zip(differences, corrected, strict=True)
    ]
    return [
        _place(rank, way, sorted(outcomes[way], key=lambda each: each.fold), versus, test_per_train)
        for rank, (way, versus) in enumerate(zip(order, compared, strict=True), 1)
    ]


def _place(
    rank: int,
    way: Way,
    found: Sequence[Outcome],
    versus: Versus | None,
    test_per_train: float,
) -> Place:
    raw = [each.uncorrected for each in found if each.uncorrected is not None]
    return Place(
        rank=rank,
        way=way,
        folds=len(found),
        rows=float(np.mean([each.rows for each in found])),
        seconds=float(np.mean([sum(each.seconds.values()) for each in found])),
        metrics=_estimates([each.scores for each in found], test_per_train),
        uncorrected=_estimates(raw, test_per_train) if raw else None,
        versus=versus,
        outcomes=tuple(found),
    )


def _estimates(scores: Sequence[Scores], test_per_train: float) -> dict[str, Estimate]:
    return {
        name: over_folds(np.array([each[name] for each in scores]), test_per_train).within(
            *RANGES[name]
        )
        for name in METRICS
    }
