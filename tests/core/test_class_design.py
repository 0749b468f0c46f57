"""Budgets of many classes, and the probabilities that spend them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalance.core.class_design import (
    ClassBudget,
    ClassDesign,
    floors,
    spread,
    weighted_log_shares,
)
from rebalance.core.class_selection import ClassBound, ClassTerms, forecast, forecast_rates
from rebalance.core.classes import Classes
from rebalance.core.design import Design, ScoreHistogram
from rebalance.core.labels import Label
from rebalance.errors import UsageError

LABEL = Classes("kind", ("a", "b", "c"))
DESIGN = ClassDesign(
    method="nonuniform",
    score="probability",
    label=LABEL,
    counts=(700, 200, 100),
    rates=(0.1, 0.5, 1.0),
    c=(0.4, 0.9, 1.0),
    floors=(0.01, 0.05, 1.0),
    mix=0.0,
    seed=3,
)


def test_rows_spread_by_hand() -> None:
    # 5 is kept whole; 10 too, as it is below what is left over three classes; 40 and 40 remain.
    assert spread(95, [100, 5, 10, 60]) == [40.0, 5.0, 10.0, 40.0]
    assert ClassBudget(rows=95).solve(
        Classes("k", ("a", "b", "c", "d")), [100, 5, 10, 60]
    ) == pytest.approx((0.4, 1.0, 1.0, 40 / 60))


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=20), st.floats(0, 1))
def test_rows_spread_evenly_and_exactly(counts: list[int], share: float) -> None:
    rows = share * sum(counts)
    found = spread(rows, counts)
    assert sum(found) == pytest.approx(rows, abs=1e-6)
    level = max(found)
    for each, count in zip(found, counts, strict=True):
        assert each == pytest.approx(min(count, level))


def test_rates_of_the_classes_named() -> None:
    assert ClassBudget(rates={"b": 0.2}).solve(LABEL, (7, 2, 1)) == (1.0, 0.2, 1.0)
    with pytest.raises(UsageError, match=r"no class 'd'.*there are: a, b, c"):
        ClassBudget(rates={"d": 0.2}).solve(LABEL, (7, 2, 1))


@pytest.mark.parametrize(
    ("rows", "words"), [(2, "below one a class; ask for 3 to 10"), (11, "more than the 10")]
)
def test_rows_that_cannot_be(rows: int, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        ClassBudget(rows=rows).solve(LABEL, (7, 2, 1))


def test_floors() -> None:
    assert floors((0.1, 0.5, 1.0), None, LABEL) == pytest.approx((0.01, 0.05, 1.0))
    assert floors((0.1, 0.5, 1.0), 0.02, LABEL) == (0.02, 0.02, 1.0)
    with pytest.raises(UsageError, match=r"floor 0.2 is above the rate of a;.*at most 0.1"):
        floors((0.1, 0.5, 1.0), 0.2, LABEL)


def test_the_formula_by_hand() -> None:
    log_score = np.log([[0.5, 0.5, 0.5], [0.001, 1.0, 0.2], [1.0, 1e-300, 1e-300]])
    pi = np.exp(DESIGN.log_pi(log_score))
    assert pi == pytest.approx(np.array([[0.2, 0.45, 1], [0.01, 0.9, 1], [0.4, 0.05, 1]]))
    mixed = replace(DESIGN, mix=0.5)
    # 0.5 * 0.1 + 0.5 * 0.4 * 0.5
    assert mixed.pi(0, np.log([0.5])) == pytest.approx(0.15)
    assert ClassDesign.from_document(DESIGN.to_document()) == DESIGN


def test_with_two_classes_it_is_the_design_of_negatives() -> None:
    score = np.log(np.random.default_rng(0).random(100))
    two = Design(
        "nonuniform", "probability", 0.1, 0.3, 0.01, 0.2, 0, Label("y", "1", ("0",)), 10, 90
    )
    many = ClassDesign(
        "nonuniform", "probability", Classes("y", ("0", "1")), (90, 10), (0.1, 1.0), (0.3, 1.0),
        (0.01, 1.0), 0.2, 0,
    )  # fmt: skip
    assert (many.pi(0, score) == two.pi_0(score)).all()
    assert (many.pi(1, score) == 1).all()


def test_bounds_keep_every_row_that_the_design_keeps() -> None:
    generator = np.random.default_rng(5)
    terms = ClassTerms(ClassBudget(rows=300), None, 0.1, uniform=False)
    score, draws = np.log(generator.random(5000) ** 3), generator.random(5000)
    ranks = ScoreHistogram(lambda rank: rank)
    ranks.add(score)
    rate = 0.03
    c = ranks.solve(rate * 5000, 0.1 * rate, 0.1)
    design = ClassDesign(
        "nonuniform", "probability", Classes("y", ("a", "b")), (5000, 10), (rate, 1.0), (c, 1.0),
        (0.1 * rate, 1.0), 0.1, 0,
    )  # fmt: skip
    kept = draws < design.pi(0, score)
    for bound in (ClassBound.of(design, 0), forecast(terms, rate * 1.01, ranks, 5000)):
        assert bound.covers(design, 0)
        assert bound.candidates(draws, score)[kept].all()
        assert bound.candidates(draws, score).mean() < 0.2
    assert not forecast(terms, rate * 0.9, ranks, 5000).covers(design, 0)
    assert ClassBound.of(design, 1).candidates(draws, score).all()


def test_forecast_rates_err_on_the_high_side() -> None:
    budget = ClassBudget(rows=100)
    # Half the table is seen: 1000 and 10 rows of 2000 and 20; 80 and 20 rows are wanted.
    found = forecast_rates(budget, ["a", "b"], [1000, 10], 2020)
    assert found[0] > 80 / 2000
    assert found[1] == 1.0
    assert forecast_rates(ClassBudget(rates={"b": 0.5}), ["a", "b"], [9, 0], None) == [1.0, 0.5]


def test_weights_move_the_shares_by_the_classes_means() -> None:
    codes, weight = np.array([0, 0, 1]), np.array([1.0, 3.0, 1.0])
    # Means 2 and 1: 90 and 10 rows count as 180 and 10.
    found = weighted_log_shares([90, 10], codes, weight)
    assert np.exp(found) == pytest.approx([18 / 19, 1 / 19])
    # The first row stands for three: the mean of its class is (3 + 3) / 4.
    found = weighted_log_shares([90, 10], codes, weight, np.array([3.0, 1.0, 5.0]))
    assert np.exp(found) == pytest.approx([135 / 145, 10 / 145])
