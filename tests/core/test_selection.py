"""Bounds: no row that the final design keeps may be let go."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalance.core.correction import log_probability
from rebalance.core.design import Budget, ScoreHistogram
from rebalance.core.selection import Bound, Terms, forecast
from tests.core.test_design import design


@given(
    st.integers(0, 2**32),
    st.floats(0.001, 1.0),
    st.floats(1e-4, 100.0),
    st.floats(0.01, 1.0),
    st.sampled_from([0.0, 0.2, 0.9]),
)
def test_what_a_design_keeps_its_bound_retains(
    seed: int, rate: float, c: float, floor_share: float, mix: float
) -> None:
    generator = np.random.default_rng(seed)
    rank = generator.normal(-4, 4, 3_000)
    draws = generator.random(3_000)
    chosen = design(rate=rate, c=c, floor=floor_share * rate, mix=mix)
    kept = draws < chosen.pi_0(log_probability(rank))
    for bound in (Bound.of(chosen), Bound.of(replace(chosen, c=1.5 * c))):
        assert bound.covers(chosen)
        assert bound.candidates(draws, rank)[kept].all()


def test_a_bound_that_is_too_low_says_so() -> None:
    chosen = design()
    bound = Bound.of(chosen)
    for higher in (
        replace(chosen, c=2 * chosen.c),
        replace(chosen, floor=2 * chosen.floor),
        replace(chosen, rate=2 * chosen.rate),
        replace(chosen, label=replace(chosen.label, positive="0")),
    ):
        assert not bound.covers(higher)


def test_candidates_are_few() -> None:
    # log t = log p <= log odds: at these odds of 1e-3 and less the two are as good as equal, so a
    # bound retains hardly more than the design keeps.
    generator = np.random.default_rng(3)
    rank = generator.normal(-9, 1, 200_000)
    draws = generator.random(200_000)
    chosen = design(rate=0.02, c=20.0, floor=0.0005)
    kept = draws < chosen.pi_0(log_probability(rank))
    retained = Bound.of(chosen).candidates(draws, rank)
    assert retained.sum() <= 1.01 * kept.sum()


@pytest.mark.parametrize("budget", [Budget(rate=0.05), Budget(ratio=5.0), Budget(rows=2_000)])
def test_a_forecast_from_a_part_covers_the_whole(budget: Budget) -> None:
    generator = np.random.default_rng(5)
    rank = generator.normal(-6, 1.5, 30_000)
    whole, part = ScoreHistogram(log_probability), ScoreHistogram(log_probability)
    whole.add(rank)
    part.add(rank[:5_000])
    terms = Terms(budget, None, 0.0, uniform=False)
    found = forecast(terms, part, {"0": 5_000, "1": 50}, "1", 30_300)
    wanted = budget.negatives(300, 30_000)
    rate = wanted / 30_000
    final = design(rate=rate, c=whole.solve(wanted, 0.1 * rate, 0.0), floor=0.1 * rate)
    assert found.covers(final)
    assert found.c < 3 * final.c


def test_a_label_not_known_keeps_all_values_but_the_commonest() -> None:
    terms = Terms(Budget(rate=0.1), None, 0.0, uniform=True)
    ranks = ScoreHistogram(np.positive)
    found = forecast(terms, ranks, {"a": 5, "b": 90, "c": 2}, None, None)
    assert found.certain == {"a", "c"}
    assert found.rate == 0.1
