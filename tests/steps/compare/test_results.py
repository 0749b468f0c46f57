"""The ranking, and which differences are more than noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from rebalance.cli.compare_output import _interval
from rebalance.steps.compare.outcome import METRICS, Outcome
from rebalance.steps.compare.results import rank_ways
from rebalance.steps.compare.ways import Way

A, B, C, D = (
    Way("none", "gbm"),
    Way("uniform", "gbm"),
    Way("smote", "gbm"),
    Way("none", "logistic"),
)
LOSSES = {
    A: [0.10, 0.12, 0.11, 0.13, 0.12],
    B: [0.101, 0.118, 0.113, 0.129, 0.121],
    C: [0.15, 0.172, 0.158, 0.181, 0.17],
}
SHARE = 0.25


def outcomes(way: Way, losses: list[float]) -> list[Outcome]:
    return [
        Outcome(way.name, fold, 80, 8, 20, 2, {"train": 1.0, "sample": 0.5}, 2.0,
                dict.fromkeys(METRICS, 0.5) | {"log_loss": loss, "roc_auc": 1 - loss})
        for fold, loss in enumerate(losses)
    ]  # fmt: skip


def test_ranks_and_tests_by_scipy() -> None:
    found = rank_ways({way: outcomes(way, LOSSES[way]) for way in (C, B, A)}, "log_loss", SHARE)
    assert [place.way for place in found] == [A, B, C]
    assert [place.rank for place in found] == [1, 2, 3]
    assert found[0].versus is None
    assert found[0].metrics["log_loss"].mean == pytest.approx(0.116)
    assert found[0].seconds == 1.5
    for place in found[1:]:
        apart = np.array(LOSSES[place.way]) - np.array(LOSSES[A])
        # Without the correction scipy's t; with it, divided by sqrt(1 + 5 / 4) = 1.5. Twice: two
        # comparisons.
        t = stats.ttest_1samp(apart, 0.0).statistic / 1.5
        assert place.versus is not None
        assert place.versus.difference.mean == pytest.approx(apart.mean())
        expected = min(2 * 2 * stats.t.sf(abs(t), 4), 1.0)
        assert place.versus.p_adjusted == pytest.approx(expected)
    assert [place.versus.is_more for place in found[1:] if place.versus] == [False, True]


def test_more_is_better_for_some_figures() -> None:
    found = rank_ways({way: outcomes(way, LOSSES[way]) for way in (C, A)}, "roc_auc", SHARE)
    assert [place.way for place in found] == [A, C]
    versus = found[1].versus
    assert versus is not None
    assert versus.difference.mean < 0


def test_ways_that_missed_folds_come_last_and_are_compared_on_those_they_have() -> None:
    every = {way: outcomes(way, LOSSES[way]) for way in (A, B)}
    every[D] = outcomes(D, [0.05, 0.06])
    every[C] = outcomes(C, [0.04])
    found = rank_ways(every, "log_loss", SHARE)
    assert [place.way for place in found] == [A, B, C, D]
    assert [place.folds for place in found] == [5, 5, 1, 2]
    versus = found[3].versus
    assert versus is not None
    assert versus.difference.mean == pytest.approx((0.05 - 0.10 + 0.06 - 0.12) / 2)
    alone = found[2].versus
    assert alone is not None
    assert np.isnan(alone.difference.p_value)
    assert not alone.is_more


def test_intervals_end_where_a_figure_does() -> None:
    found = outcomes(A, [0.01, 0.3, 0.02])
    scores = [
        {"recall_at_precision": 0.0, "predicted_over_observed": 0.1, "roc_auc": 0.99},
        {"recall_at_precision": 0.4, "predicted_over_observed": 3.0, "roc_auc": 0.70},
        {"recall_at_precision": 0.1, "predicted_over_observed": 0.2, "roc_auc": 0.98},
    ]
    some = [
        replace(each, scores={**each.scores, **own})
        for each, own in zip(found, scores, strict=True)
    ]
    metrics = rank_ways({A: some}, "log_loss", 0.5)[0].metrics
    # t_2 = 4.30 times a standard error of about half a spread of .2, 1.6 and .16: beyond all ends.
    assert metrics["recall_at_precision"].low == 0
    assert metrics["predicted_over_observed"].low == 0
    assert metrics["predicted_over_observed"].high > 3
    assert metrics["roc_auc"].high == 1
    assert metrics["log_loss"].low == 0
    document = rank_ways({A: some}, "log_loss", 0.5)[0].document()
    assert document["metrics"]["roc_auc"]["high"] == 1
    assert _interval(metrics["roc_auc"]).endswith(" to 1.00)")
    alone = rank_ways({A: some[:1]}, "log_loss", 0.5)[0].metrics["roc_auc"]
    assert np.isnan(alone.high)
