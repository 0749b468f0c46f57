"""What a pilot's rows leave open: by hand, and its mean probability."""

from __future__ import annotations

import numpy as np
import pytest

from rebalance.core.posterior import Posterior, posterior, quadrature


def test_one_slope_by_hand() -> None:
    # b'V^-1 b = 2^2 / .5 = 8 with one slope: 1 - 1/8. With half of the variance from the prior,
    # its precision times V = .5, half a slope is free: 1 - .5/8. At z the variance is
    # s (z - 1)^2 V.
    z = np.column_stack([np.ones(3), [0.0, 1.0, 1.5]])
    weight, log_odds = np.array([1.0, 2.0, 2.0]), np.array([-3.0, -1.0, 0.0])
    found = posterior(
        np.array([2.0]),
        np.array([[0.5]]),
        np.zeros(1),
        np.zeros(1),
        z,
        log_odds=log_odds,
        weight=weight,
    )
    assert found.slope == pytest.approx(7 / 8)
    assert found.centre == pytest.approx([1.0])
    nodes, share = found.nodes(z, log_odds), quadrature()[1]
    apart = nodes - found.mean(log_odds)
    assert share @ apart == pytest.approx(np.zeros(3), abs=1e-12)
    assert share @ apart**2 == pytest.approx(7 / 8 * 0.5 * np.array([1.0, 0.0, 0.25]))
    # The mean probability is the pilot's.
    target = weight @ (1 / (1 + np.exp(-log_odds)))
    assert share @ (1 / (1 + np.exp(-nodes))) @ weight == pytest.approx(target)
    half = posterior(
        np.array([2.0]),
        np.array([[0.5]]),
        np.zeros(1),
        np.ones(1),
        z,
        log_odds=log_odds,
        weight=weight,
    )
    assert half.slope == pytest.approx(1 - 0.5 / 8)
    # Of the slope 2 a quarter is bias: u = 3/4, and the noise is 1 / (1.5^2 / .5) = 1/4.5 of it.
    biased = posterior(
        np.array([2.0]),
        np.array([[0.5]]),
        np.array([0.5]),
        np.zeros(1),
        z,
        log_odds=log_odds,
        weight=weight,
    )
    assert biased.slope == pytest.approx(0.75 * (1 - 1 / 4.5))
    assert biased.covariance == pytest.approx(0.5 * (1 - 1 / 4.5))


def test_a_pilot_that_is_all_noise_keeps_a_little_and_a_row_is_never_wide_open() -> None:
    z = np.column_stack([np.ones(2), [0.0, 100.0]])
    found = posterior(
        np.array([0.1]),
        np.array([[1.0]]),
        np.zeros(1),
        np.zeros(1),
        z,
        log_odds=np.array([-5.0, 5.0]),
        weight=np.ones(2),
    )
    assert found.slope == 0.1
    spread = found.nodes(z, np.zeros(2)) - found.mean(np.zeros(2))
    assert quadrature()[1] @ spread**2 == pytest.approx(np.full(2, 4.0))


@pytest.mark.parametrize("size", [1, 2, 7, 105])
def test_it_is_what_its_array_says(size: int) -> None:
    generator = np.random.default_rng(size)
    root = generator.normal(size=(size, size))
    found = Posterior(0.9, -0.1, generator.normal(size=size), root @ root.T)
    again = Posterior.from_array(found.to_array())
    assert (again.slope, again.shift) == pytest.approx((0.9, -0.1))
    assert again.centre == pytest.approx(found.centre, rel=1e-6)
    assert again.covariance == pytest.approx(found.covariance, rel=1e-6)
