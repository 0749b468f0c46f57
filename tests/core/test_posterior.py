"""What a pilot's rows leave open: by hand, and its mean probability."""

from __future__ import annotations

import numpy as np
import pytest

from rebalance.core.inference import model_based
from rebalance.core.posterior import Drawn, Posterior, posterior, quadrature
from tests.benchmarks.paper.newton import fit


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
    """Of rows of which the first is the positive, with log odds -1 + 2 z among them."""
    at = np.array(z)
    rows = Drawn(
        np.column_stack([np.ones(len(z)), at]),
        np.arange(len(z)) == 0,
        np.ones(len(z)) if count is None else np.array(count),
        2 * at - 1,
    )
    return posterior(
        np.array([slope]),
        np.array([[variance]]),
        np.array([bias]),
        np.array([prior]),
        rows,
        positives=positives,
    )


def test_one_slope_by_hand() -> None:
    # b'V^-1 b = 2^2 / .5 = 8 with one slope: 1 - 1/8. With half of the variance from the prior,
    # its precision times V = .5, half a slope is free: 1 - .5/8.
    at, count = [0.0, 1.0, 1.5], [1.0, 2.0, 2.0]
    z = np.column_stack([np.ones(3), at])
    found = learned(2.0, 0.5, at, count=count, positives=1.7)
    assert found.coefficients[1] == pytest.approx(2 * 7 / 8)
    # q (1 - q) at log odds -1, 1, 2: .1966, .1966, .1050; one positive, two negatives.
    assert found.centre == pytest.approx([(0.1966 + 1.5 * 0.1050) / 0.4982], rel=1e-3)
    assert found.floor == pytest.approx(1 / 0.4982 - 1 - 1 / 2, rel=1e-3)
    nodes, share = found.nodes(z), quadrature()[1]
    apart = nodes - found.mean(z)
    assert share @ apart == pytest.approx(np.zeros(3), abs=1e-12)
    variance = found.floor + 7 / 8 * 0.5 * (np.array(at) - found.centre) ** 2
    assert share @ apart**2 == pytest.approx(variance)
    # The probabilities sum to the positives.
    assert share @ (1 / (1 + np.exp(-nodes))) @ np.array(count) == pytest.approx(1.7)
    half = learned(2.0, 0.5, at, prior=1.0)
    assert half.coefficients[1] == pytest.approx(2 * (1 - 0.5 / 8))
    # Of the slope 2 a quarter is bias: u = 3/4, and the noise is 1 / (1.5^2 / .5) = 1/4.5 of it.
    biased = learned(2.0, 0.5, at, bias=0.5)
    assert biased.coefficients[1] == pytest.approx(2 * 0.75 * (1 - 1 / 4.5))
    assert biased.covariance == pytest.approx(0.5 * (1 - 1 / 4.5))


def test_the_variance_is_that_of_fits_to_rows_drawn_by_class() -> None:
    """Log odds of 600 fits at five places, of 150 positives and 300 negatives of one population.

    A variance of 600 draws is known to 6%; fits of 450 rows vary by a few hundredths more than
    their asymptotic variance.
    """
    draw = np.random.default_rng(6)
    x = draw.exponential(size=20_000)
    y = draw.random(20_000) < 1 / (1 + np.exp(4 - x))
    classes, places = (np.flatnonzero(y), np.flatnonzero(~y)), np.array([0.0, 1.0, 2.0, 3.0, 5.0])
    shift = np.log(150 / len(classes[0]) * len(classes[1]) / 300)
    labels, ends, seen = np.repeat([True, False], [150, 300]), [], []
    at = np.column_stack([np.ones(5), places])
    for number in range(600):
        drawn = np.concatenate(
            [draw.choice(each, size, False) for each, size in zip(classes, (150, 300), strict=True)]
        )
        z = np.column_stack([np.ones(450), x[drawn]])
        b = fit(z, labels.astype(float), np.array([-3.0, 1.0]), offset=np.full(450, shift))
        ends.append(at @ b)
        if number < 20:
            eta = z @ b + shift
            spread = model_based(z, eta, np.ones(450), np.zeros(2))
            found = posterior(
                b[1:], spread.variance[1:, 1:], np.zeros(1), np.zeros(1),
                Drawn(z, labels, np.ones(450), eta), positives=150.0,
            )  # fmt: skip
            apart = found.nodes(at) - found.mean(at)
            seen.append(quadrature()[1] @ apart**2)
    assert np.mean(seen, axis=0) == pytest.approx(np.var(ends, axis=0), rel=0.2)


def test_slopes_that_are_all_noise_keep_a_little_and_a_row_is_never_wide_open() -> None:
    found = learned(0.1, 1.0, [0.0, 100.0])
    assert found.coefficients[1] == pytest.approx(0.1 * 0.1)
    z = np.column_stack([np.ones(2), found.centre[0] + np.array([-9.0, 9.0])])
    spread = found.nodes(z) - found.mean(z)
    assert quadrature()[1] @ spread**2 == pytest.approx(np.full(2, 4.0))


@pytest.mark.parametrize(("floor", "variance"), [(0.0, -1.0), (-1.0, 1.0)])
def test_a_negative_variance_is_refused(floor: float, variance: float) -> None:
    found = Posterior(np.zeros(2), np.zeros(1), floor, np.array([[variance]]))
    with pytest.raises(ValueError, match="variance"):
        Posterior.from_array(found.to_array(), 1)


@pytest.mark.parametrize("size", [1, 2, 7, 105])
def test_it_is_what_its_array_says(size: int) -> None:
    generator = np.random.default_rng(size)
    root = generator.normal(size=(size, size))
    found = Posterior(
        generator.normal(size=size + 1), generator.normal(size=size), 0.25, root @ root.T
    )
    stored = found.to_array()
    assert len(stored) == Posterior.length(size)
    again = Posterior.from_array(stored, size)
    assert again.floor == 0.25
    assert again.coefficients == pytest.approx(found.coefficients, rel=1e-6)
    assert again.centre == pytest.approx(found.centre, rel=1e-6)
    assert again.covariance == pytest.approx(found.covariance, rel=1e-6)
