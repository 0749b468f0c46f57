"""What a pilot's rows leave open: by hand, and its mean probability."""

from __future__ import annotations

import numpy as np
import pytest

from rebalance.core.posterior import Posterior, posterior, quadrature


def learned(
    slopes: list[float], variance: float, z: list[float], **given: float | list[float]
) -> Posterior:
    """Of one slope and rows at z, weight 1, that hold one positive, where nothing else is given."""
    return posterior(
        np.array(slopes),
        np.array([[variance]]),
        np.array([given.get("bias", 0.0)]),
        np.array([given.get("prior", 0.0)]),
        np.column_stack([np.ones(len(z)), z]),
        weight=np.array(given.get("weight", [1.0] * len(z))),
        positives=float(given.get("positives", 1.0)),  # type: ignore[arg-type]
    )


def test_one_slope_by_hand() -> None:
    # b'V^-1 b = 2^2 / .5 = 8 with one slope: 1 - 1/8. With half of the variance from the prior,
    # its precision times V = .5, half a slope is free: 1 - .5/8. At z the variance is
    # s (z - 1)^2 V.
    at, weight = [0.0, 1.0, 1.5], [1.0, 2.0, 2.0]
    z = np.column_stack([np.ones(3), at])
    found = learned([2.0], 0.5, at, weight=weight, positives=1.7)
    assert found.coefficients[1] == pytest.approx(2 * 7 / 8)
    assert found.centre == pytest.approx([1.0])
    nodes, share = found.nodes(z), quadrature()[1]
    apart = nodes - found.mean(z)
    assert share @ apart == pytest.approx(np.zeros(3), abs=1e-12)
    assert share @ apart**2 == pytest.approx(7 / 8 * 0.5 * np.array([1.0, 0.0, 0.25]))
    # The probabilities sum to the positives.
    assert share @ (1 / (1 + np.exp(-nodes))) @ np.array(weight) == pytest.approx(1.7)
    half = learned([2.0], 0.5, at, prior=1.0)
    assert half.coefficients[1] == pytest.approx(2 * (1 - 0.5 / 8))
    # Of the slope 2 a quarter is bias: u = 3/4, and the noise is 1 / (1.5^2 / .5) = 1/4.5 of it.
    biased = learned([2.0], 0.5, at, bias=0.5)
    assert biased.coefficients[1] == pytest.approx(2 * 0.75 * (1 - 1 / 4.5))
    assert biased.covariance == pytest.approx(0.5 * (1 - 1 / 4.5))


def test_slopes_that_are_all_noise_keep_a_little_and_a_row_is_never_wide_open() -> None:
    found = learned([0.1], 1.0, [0.0, 100.0])
    assert found.coefficients[1] == pytest.approx(0.1 * 0.1)
    z = np.column_stack([np.ones(2), [0.0, 100.0]])
    spread = found.nodes(z) - found.mean(z)
    assert quadrature()[1] @ spread**2 == pytest.approx(np.full(2, 4.0))


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
