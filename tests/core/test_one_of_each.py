"""Uniform draws that leave no class out: their probabilities, by simulation and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalance.core.one_of_each import Smallest, draw_bounds

TIMES = 40_000


def kept(draws: np.ndarray, pi: float) -> np.ndarray:
    """Which rows of one class are kept, for draws of shape (times, N)."""
    (r,), (s,) = draw_bounds(np.array([pi]), np.array([draws.shape[1]]))
    smallest = draws.min(axis=1, keepdims=True)
    return (draws < r) | ((draws == smallest) & (smallest < s))


@pytest.mark.parametrize(
    ("rows", "pi"), [(1, 1.0), (1, 0.3), (2, 0.5), (3, 0.4), (5, 0.1), (30, 2 / 30), (30, 0.2)]
)
def test_every_row_is_kept_with_the_probability_that_is_wanted(rows: int, pi: float) -> None:
    draws = np.random.default_rng(rows).random((TIMES, rows))
    found = kept(draws, pi)
    # A binomial share of TIMES; five standard deviations, of 72 shares in all.
    assert found.mean(axis=0) == pytest.approx(pi, abs=5 * np.sqrt(pi * (1 - pi) / TIMES) + 1e-12)
    some = found.any(axis=1).mean()
    if rows * pi >= 1:
        assert some == 1.0
    else:  # one row at the most, so that as many classes have one as are expected to
        assert found.sum(axis=1).max() == 1
        assert some == pytest.approx(rows * pi, abs=5 * np.sqrt(0.25 / TIMES))


@given(st.integers(1, 50), st.lists(st.floats(1e-6, 1), min_size=2, max_size=2))
def test_a_smaller_rate_keeps_a_subset(rows: int, rates: list[float]) -> None:
    draws = np.random.default_rng(rows).random((200, rows))
    low, high = sorted(rates)
    assert not (kept(draws, low) & ~kept(draws, high)).any()


def test_bounds_by_hand() -> None:
    # N = 2: 2 r + (1 - r)^2 = 1 + r^2 = 2 pi; below, 1 - (1 - s)^2 = 2 pi.
    r, s = draw_bounds(np.array([0.545, 0.18]), np.array([2, 2]))
    assert r == pytest.approx([0.3, 0.0])
    assert s == pytest.approx([1.0, 0.2])
    # Of a hundred rows that are expected none is promised: each draw is for itself.
    r, s = draw_bounds(np.array([0.01]), np.array([10_000]))
    assert r.tolist() == [0.01]
    assert s.tolist() == [1.0]
    assert draw_bounds(np.array([]), np.array([], dtype=np.int64))[0].shape == (0,)


def test_the_smallest_draw_of_each_class_in_any_batches() -> None:
    generator = np.random.default_rng(0)
    places, draws = generator.integers(0, 40, 1_000), generator.random(1_000)
    smallest = Smallest()
    retained = np.concatenate(
        [smallest.add(places[at : at + 37], draws[at : at + 37]) for at in range(0, 1_000, 37)]
    )
    for place in range(40):
        own = np.flatnonzero(places == place)
        first = own[draws[own].argmin()]
        assert smallest.draws[place] == draws[first]
        assert retained[first]
