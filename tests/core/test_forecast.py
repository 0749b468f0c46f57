"""Efficiencies foreseen: as sums over rows say, errors by brute force, simulated draws."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rebalance.core.efficiency import Chances, Information
from rebalance.core.few_rows import Population, error_of_few
from rebalance.core.forecast import Forecast
from rebalance.core.posterior import Posterior, quadrature

Floats = NDArray[np.float64]

ROWS = 60
generator = np.random.default_rng(4)
Z = np.column_stack([np.ones(ROWS), generator.normal(size=(ROWS, 2))])
LOG_ODDS = Z @ np.array([-2.0, 1.0, 0.5])
COUNT = generator.uniform(5, 20, ROWS)
CHANCES = Chances(generator.uniform(0.05, 0.9, ROWS), generator.uniform(0.5, 1, ROWS))
KNOWN = Posterior(
    np.array([-1.5, 0.8, 0.4]), np.array([0.2, -0.1]), 0.01, np.array([[0.09, 0.02], [0.02, 0.04]])
)
BOTH = ("offset", "weight")


def summed(log_odds: Floats, weight: Floats, share: Floats | None, correction: str) -> float:
    total = Information(3)
    total.add(Z, log_odds, CHANCES, weight, share=share)
    return total.efficiency(correction)


@pytest.mark.parametrize("correction", BOTH)
def test_as_sums_over_rows_say(correction: str) -> None:
    plain = Forecast(Z, LOG_ODDS, COUNT, None).of(CHANCES)[correction]
    assert plain.efficiency == pytest.approx(summed(LOG_ODDS, COUNT, None, correction))
    found = Forecast(Z, LOG_ODDS, COUNT, KNOWN).of(CHANCES)[correction]
    nodes = KNOWN.nodes(Z)
    assert found.efficiency == pytest.approx(summed(nodes, COUNT, quadrature()[1], correction))
    twice = Forecast(Z[:, [0, 1, 2, 2]], LOG_ODDS, COUNT, None).of(CHANCES)[correction]
    assert twice.efficiency == pytest.approx(plain.efficiency)  # two columns say the same thing
    assert twice.error == pytest.approx(plain.error)


@pytest.mark.parametrize("correction", BOTH)
def test_the_rows_part_of_the_error_by_leaving_each_out_a_little(correction: str) -> None:
    step, squares = 1e-5, 0.0
    for at in range(ROWS):
        more, less = COUNT.copy(), COUNT.copy()
        more[at] *= 1 + step
        less[at] *= 1 - step
        high, low = (summed(LOG_ODDS, each, None, correction) for each in (more, less))
        # A row that is one of its weight leaves that much less to chance.
        squares += ((np.log(high / low)) / (2 * step)) ** 2 * (1 - 1 / COUNT[at])
    squares += few(LOG_ODDS[None], np.ones(1), COUNT, correction)
    found = Forecast(Z, LOG_ODDS, COUNT, None).of(CHANCES)[correction]
    assert found.error == pytest.approx(np.sqrt(squares), rel=1e-5)


def few(log_odds: Floats, share: Floats, count: Floats, correction: str) -> float:
    """With weights: of the sum over kept rows of what each brings, (variance / T^2 / 4)^2.

    A Poisson draw keeps count (1 - p) pi negatives at x, and each brings p^2 (1 - pi) / pi^2 z'z,
    z in units in which the information is the identity; positives with p for 1 - p. To second order
    E sqrt(T (1 + e)) is sqrt(T) (1 - var(e) / 8), and log T is off by twice as much as log sqrt(T).
    """
    if correction == "offset":
        return 0.0
    total = Information(3)
    total.add(Z, log_odds, CHANCES, count, share=share)
    length = np.einsum("ij,jk,ik->i", Z, np.linalg.inv(total.population), Z)
    spread, p = 0.0, 1 / (1 + np.exp(-log_odds))
    for q, pi in ((1 - p, CHANCES.pi_0), (p, CHANCES.pi_1)):
        there = share @ q
        brings = share @ (q * (1 - q) ** 2) / there * (1 - pi) / pi**2 * length
        spread += float((count * there * pi * brings**2).sum())
    return (spread * (total.efficiency(correction) / 3) ** 2 / 4) ** 2


def test_where_it_is_asked_for_draws_of_few_rows_are_simulated() -> None:
    total = Information(3)
    total.add(Z, LOG_ODDS, CHANCES, COUNT)
    root = np.linalg.cholesky(np.linalg.inv(total.population))
    formula = 3 / total.efficiency("weight") - 3
    stand = Population(Z @ root, LOG_ODDS, COUNT)
    added, error = error_of_few(stand, CHANCES, formula)
    found = Forecast(Z, LOG_ODDS, COUNT, None, simulated=True).of(CHANCES)
    # The same draws in other coordinates.
    assert found["weight"].efficiency == pytest.approx(3 / (3 + added), rel=0.01)
    assert found["weight"].error > error / (3 + added)
    assert found["offset"].efficiency == pytest.approx(total.efficiency("offset"))
    # Of a thousand times as many rows the formula is right.
    many = 1000 * COUNT
    there = [
        Forecast(Z, LOG_ODDS, many, None, simulated=each).of(CHANCES)["weight"]
        for each in (False, True)
    ]
    assert there[0] == there[1]


@pytest.mark.parametrize("turn", [0.0, -0.4])
@pytest.mark.parametrize("correction", BOTH)
def test_the_slopes_part_of_the_error_by_moving_each(correction: str, turn: float) -> None:
    """`turn` is how counts that were found by the log odds move with them."""
    once, step = np.ones(ROWS), 1e-5  # every row is drawn: none is left to chance
    nodes, share = KNOWN.nodes(Z), quadrature()[1]

    def slope(moved: Floats) -> float:
        high, low = (
            summed(nodes + by, once * np.exp(turn * by), share, correction)
            for by in (moved, -moved)
        )
        return float(np.log(high / low)) / (2 * step)

    gradient = np.array([slope(step * (Z[:, 1 + at] - KNOWN.centre[at])) for at in range(2)])
    mean = summed(KNOWN.mean(Z), once, None, correction)
    noise = np.log(mean / summed(nodes, once, share, correction))
    expected = gradient @ KNOWN.covariance @ gradient + noise**2
    expected += KNOWN.floor * slope(np.full(ROWS, step)) ** 2
    expected += few(nodes, share, once, correction)
    found = Forecast(Z, LOG_ODDS, once, KNOWN, count_by_log_odds=np.full(ROWS, turn)).of(CHANCES)
    assert found[correction].error == pytest.approx(np.sqrt(expected), rel=1e-5)
