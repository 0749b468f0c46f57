"""Signs, by hand and by simulation."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalance.core.correction import (
    log_odds,
    log_probability,
    offset,
    prior_shift,
    probability,
    to_population,
    to_sample,
)

ONE = np.ones(1)


def test_by_hand_from_population_to_sample() -> None:
    # 1 positive and 99 negatives, of which 9.9 are kept: 1 / 10.9.
    shift = offset(0.1 * ONE, ONE)
    sampled = probability(to_sample(log_odds(0.01 * ONE), shift))
    assert sampled[0] == pytest.approx(1 / 10.9, rel=1e-12)


def test_by_hand_from_sample_to_population() -> None:
    shift = offset(0.1 * ONE, ONE)
    assert shift[0] == pytest.approx(math.log(10))
    found = probability(to_population(log_odds(ONE / 10.9), shift))
    assert found[0] == pytest.approx(0.01, rel=1e-12)
    # The sign in many tutorials, subtracting log pi, gives a half here.
    assert probability(log_odds(ONE / 10.9) + math.log(10))[0] == pytest.approx(0.5025, abs=1e-4)


def test_counts_of_a_simulated_sample_agree() -> None:
    generator = np.random.default_rng(0)
    count, prevalence, rate = 400_000, 0.02, 0.05
    y = generator.random(count) < prevalence
    kept = y | (generator.random(count) < rate)
    share = y[kept].mean()
    found = probability(to_population(log_odds(np.array([share])), -math.log(rate)))[0]
    # d p / d p_s = p (1 - p) / (p_s (1 - p_s)), and the share's own standard error.
    error = math.sqrt(share * (1 - share) / kept.sum())
    error *= prevalence * (1 - prevalence) / (share * (1 - share))
    assert abs(found - prevalence) < 4 * error


def test_nothing_changes_when_every_row_is_kept() -> None:
    probabilities = np.array([0.0, 1e-9, 0.3, 1.0])
    shift = offset(np.ones(4), np.ones(4))
    assert probability(to_population(log_odds(probabilities), shift)).tolist() == pytest.approx(
        probabilities.tolist(), rel=1e-12
    )


def test_prior_shift_by_hand() -> None:
    # Half of the training rows are positive, 1% in truth: 1:1 becomes 1:99.
    assert prior_shift(0.5, 0.01) == pytest.approx(math.log(99))


@given(
    st.floats(1e-9, 1 - 1e-9),
    st.floats(1e-6, 1.0),
    st.floats(1e-6, 1.0),
)
def test_there_and_back(y_prob: float, pi_0: float, pi_1: float) -> None:
    shift = offset(np.array([pi_0]), np.array([pi_1]))
    before = log_odds(np.array([y_prob]))
    # Bayes, in probabilities: kept positives over all kept.
    by_hand = y_prob * pi_1 / (y_prob * pi_1 + (1 - y_prob) * pi_0)
    assert probability(to_sample(before, shift))[0] == pytest.approx(by_hand, rel=1e-6)
    assert to_population(to_sample(before, shift), shift)[0] == pytest.approx(before[0], abs=1e-9)


@given(st.floats(-740, 740))
def test_log_probability_is_the_logarithm(value: float) -> None:
    array = np.array([value])
    expected = math.log(probability(array)[0]) if value > -700 else value
    assert log_probability(array)[0] == pytest.approx(expected, rel=1e-9, abs=1e-12)
