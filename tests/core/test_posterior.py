"""What a pilot's rows leave open: by hand, and its mean probability."""

from __future__ import annotations

import numpy as np
import pytest

from rebalance.core.posterior import Posterior, posterior, quadrature


def learned(
    slope: float,
    variance: float,
    z: list[float],
    *,
    bias: float = 0.0,
    prior: float = 0.0,
    count: list[float] | None = None,
    positives: float = 1.0,
) -> Posterior:
    """Of one slope and an intercept of -1."""
    return posterior(
        np.array([-1.0, slope]),
        np.array([[variance]]),
        np.array([bias]),
        np.array([prior]),
        np.column_stack([np.ones(len(z)), z]),
        count=np.ones(len(z)) if count is None else np.array(count),
        positives=positives,
    )


def test_one_slope_by_hand() -> None:
    # b'V^-1 b = 2^2 / .5 = 8 with one slope: 1 - 1/8. With half of the variance from the prior,
    # its precision times V = .5, half a slope is free: 1 - .5/8.
    at, count = [0.0, 1.0, 1.5], [1.0, 2.0, 2.0]
    z = np.column_stack([np.ones(3), at])
    found = learned(2.0, 0.5, at, count=count, positives=1.7)
    assert found.coefficients[1] == pytest.approx(2 * 7 / 8)
    # p at log odds -1, 1, 2: the information there is .1966, .1966, .1050 for each row.
    assert found.centre == pytest.approx([(2 * 0.1966 + 1.5 * 2 * 0.1050) / 0.7998], rel=1e-3)
    nodes, share = found.nodes(z), quadrature()[1]
    apart = nodes - found.mean(z)
    assert share @ apart == pytest.approx(np.zeros(3), abs=1e-12)
    variance = 7 / 8 * 0.5 * (np.array(at) - found.centre) ** 2
    assert share @ apart**2 == pytest.approx(variance)
    # The probabilities sum to the positives, and to first order they do wherever the slope is.
    assert share @ (1 / (1 + np.exp(-nodes))) @ np.array(count) == pytest.approx(1.7)
    half = learned(2.0, 0.5, at, prior=1.0)
    assert half.coefficients[1] == pytest.approx(2 * (1 - 0.5 / 8))
    # Of the slope 2 a quarter is bias: u = 3/4, and the noise is 1 / (1.5^2 / .5) = 1/4.5 of it.
    biased = learned(2.0, 0.5, at, bias=0.5)
    assert biased.coefficients[1] == pytest.approx(2 * 0.75 * (1 - 1 / 4.5))
    assert biased.covariance == pytest.approx(0.5 * (1 - 1 / 4.5))


def test_slopes_that_move_leave_the_number_of_positives_as_it_is() -> None:
    """To first order: a step of .01 moves it by its square times 300 rows or so."""
    z = np.random.default_rng(0).normal(size=(300, 1))
    found = learned(1.0, 0.01, z[:, 0].tolist(), positives=80.0)
    mean = found.mean(np.column_stack([np.ones(300), z]))
    moved = [(1 / (1 + np.exp(-mean - by * (z[:, 0] - found.centre)))).sum() for by in (0.01, 0)]
    off_centre = (1 / (1 + np.exp(-mean - 0.01 * z[:, 0]))).sum()
    assert abs(moved[0] - moved[1]) < 0.1 < abs(off_centre - moved[1])


def test_slopes_that_are_all_noise_keep_a_little_and_a_row_is_never_wide_open() -> None:
    found = learned(0.1, 1.0, [0.0, 100.0])
    assert found.coefficients[1] == pytest.approx(0.1 * 0.1)
    z = np.column_stack([np.ones(2), found.centre[0] + np.array([-9.0, 9.0])])
    spread = found.nodes(z) - found.mean(z)
    assert quadrature()[1] @ spread**2 == pytest.approx(np.full(2, 4.0))


def test_a_negative_variance_is_refused() -> None:
    found = Posterior(np.zeros(2), np.zeros(1), np.array([[-1.0]]))
    with pytest.raises(ValueError, match="variance"):
        Posterior.from_array(found.to_array(), 1)


@pytest.mark.parametrize("size", [1, 2, 7, 105])
def test_it_is_what_its_array_says(size: int) -> None:
    generator = np.random.default_rng(size)
    root = generator.normal(size=(size, size))
    found = Posterior(generator.normal(size=size + 1), generator.normal(size=size), root @ root.T)
    stored = found.to_array()
    assert len(stored) == Posterior.length(size)
    again = Posterior.from_array(stored, size)
    assert again.coefficients == pytest.approx(found.coefficients, rel=1e-6)
    assert again.centre == pytest.approx(found.centre, rel=1e-6)
    assert again.covariance == pytest.approx(found.covariance, rel=1e-6)
