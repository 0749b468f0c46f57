"""What is known of ways before they are fitted, and of the winner when they are."""

from __future__ import annotations

from dataclasses import replace

import pytest

from rebalance.core.comparison import Estimate
from rebalance.errors import DataError, UsageError
from rebalance.steps.compare.known import reason, tell_repeated, tell_winner
from rebalance.steps.compare.results import rank_ways
from rebalance.steps.context import Context
from tests.steps.compare.test_results import LOSSES, A, outcomes


def test_a_time_limit_is_what_was_left() -> None:
    said = "enn would take about 40 s on 9,000 rows, by a trial on 500: more than --max-time 12.345"
    found = reason(UsageError(f"{said} allows", remedy="thin first"))
    assert found.endswith("by a trial on 500: more than the 12 s that were left for it")
    assert reason(DataError("no", remedy="do")) == "no; do"


@pytest.mark.parametrize(
    ("low", "high", "is_said"), [(0.5, 1.5, False), (1.1, 1.7, True), (0.2, 0.9, True)]
)
def test_a_winner_whose_probabilities_are_off_is_said(
    low: float, high: float, is_said: bool
) -> None:
    place = rank_ways({A: outcomes(A, LOSSES[A])}, "log_loss", 0.25)[0]
    off = {"predicted_over_observed": Estimate((low + high) / 2, low, high, 0.1)}
    context = Context()
    tell_winner(replace(place, metrics={**place.metrics, **off}), context)
    assert len(context.notes) == is_said
    if is_said:
        assert f"({low:.3g} to {high:.3g})" in context.notes[0]
        assert "--calibrate-on TABLE --recalibrate" in context.notes[0]


def test_names_given_twice_are_said() -> None:
    context = Context()
    tell_repeated("--methods", ("none", "smote", "none"), context)
    tell_repeated("--learners", ("gbm",), context)
    assert context.notes == ["--methods names 'none' more than once: it is compared once"]
