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
from rebalance.core.class_selection import ClassBounds, ClassTerms, forecast, forecast_rates
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
    places, first = np.array([0, 1]), np.zeros(5000, dtype=np.int64)

    def bounded(*rates: float) -> ClassBounds:
        """By the forecasts of the first class, one after the other."""
        bounds = ClassBounds(terms)
        for each in rates:
            found = np.array([forecast(terms, each, ranks, 5000), (1.0, np.inf, 0.1)]).T
            bounds.raise_to(places, *found)
        return bounds

    for bounds in (ClassBounds.of(design, places), bounded(rate * 1.01)):
        assert bounds.covers(design, places)
        assert bounds.candidates(first, draws, score)[kept].all()
        assert bounds.candidates(first, draws, score).mean() < 0.2
        assert bounds.candidates(first + 1, draws, score).all()
        assert bounds.candidates(first + 7, draws, score).all()  # never heard of
    assert not bounded(rate * 0.9).covers(design, places)
    # What was let go once is gone.
    assert not bounded(rate * 0.9, rate * 1.01).covers(design, places)
    assert bounded(rate * 1.01, 1.0).covers(design, places)
    assert (design.own_pi(first, score) == design.pi(0, score)).all()
    assert (design.own_pi(first + 1, score) == 1).all()


def test_uniform_bounds() -> None:
    terms = ClassTerms(ClassBudget(rates={"a": 0.2}), None, 0.0, uniform=True)
    design = replace(
        DESIGN, method="uniform", score="uniform", c=DESIGN.rates, floors=DESIGN.rates, mix=1.0
    )
    places, draws = np.array([2, 0, 1]), np.random.default_rng(6).random(900)
    bounds = ClassBounds(terms)
    bounds.raise_to(places, np.array([0.1, 0.5, 1.0]))
    codes = np.arange(900) % 3
    kept = draws < design.own_pi(codes, np.zeros(900))
    for each in (bounds, ClassBounds.of(design, places)):
        assert each.covers(design, places)
        assert (each.candidates(places[codes], draws, np.zeros(900)) == kept).mean() > 0.999
        assert each.candidates(places[codes], draws, np.zeros(900))[kept].all()
    bounds.raise_to(places[:1], np.array([0.09]))
    assert not bounds.covers(design, places)


def test_forecast_rates_err_on_the_high_side() -> None:
    budget = ClassBudget(rows=100)
    # Half the table is seen: 1000 and 10 rows of 2000 and 20; 80 and 20 rows are wanted.
    found = forecast_rates(budget, ["a", "b"], np.array([1000, 10]), 2020)
    assert found[0] > 80 / 2000
    assert found[1] == 1.0
    # 3 rows of a for each of b, of which there may be more than the 20 that half the table says.
    found = forecast_rates(ClassBudget(ratio=3), ["a", "b"], np.array([1000, 10]), 2020)
    assert 60 / 2000 < found[0] < 1.0
    assert found[1] == 1.0
    budget = ClassBudget(rates={"b": 0.5})
    assert forecast_rates(budget, ["a", "b"], np.array([9, 0]), None).tolist() == [1.0, 0.5]


def test_weights_move_the_shares_by_the_classes_means() -> None:
    codes, weight = np.array([0, 0, 1]), np.array([1.0, 3.0, 1.0])
    # Means 2 and 1: 90 and 10 rows count as 180 and 10.
    found = weighted_log_shares([90, 10], codes, weight)
    assert np.exp(found) == pytest.approx([18 / 19, 1 / 19])
    # The first row stands for three: the mean of its class is (3 + 3) / 4.
    found = weighted_log_shares([90, 10], codes, weight, np.array([3.0, 1.0, 5.0]))
    assert np.exp(found) == pytest.approx([135 / 145, 10 / 145])


def test_rows_that_are_repeated_have_a_multiplicity_for_a_probability() -> None:
    made = replace(
        DESIGN, method="random-over", score="uniform", rates=(1.0, 2.5, 7.0), c=(1.0, 2.5, 7.0)
    )
    assert np.exp(made.log_pi(np.zeros((2, 3)))) == pytest.approx(np.array([[1, 2.5, 7]] * 2))
    assert made.own_pi(np.array([2, 0, 1]), np.zeros(3)).tolist() == [7.0, 1.0, 2.5]
    assert made.pi(1, np.zeros(2)).tolist() == [2.5, 2.5]
    assert made.repeats
    assert not DESIGN.repeats
    assert ClassDesign.from_document(made.to_document()) == made
