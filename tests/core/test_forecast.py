"""Efficiencies foreseen: as sums over rows say, errors by brute force, small pilots."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rebalance.core.efficiency import Chances, Information
from rebalance.core.forecast import Forecast
from rebalance.core.inference import Spread, model_based
from rebalance.core.posterior import PRIOR, Posterior, posterior, quadrature

Floats = NDArray[np.float64]

ROWS = 60
generator = np.random.default_rng(4)
Z = np.column_stack([np.ones(ROWS), generator.normal(size=(ROWS, 2))])
LOG_ODDS = Z @ np.array([-2.0, 1.0, 0.5])
WEIGHT = generator.uniform(5, 20, ROWS)
CHANCES = Chances(generator.uniform(0.05, 0.9, ROWS), generator.uniform(0.5, 1, ROWS))
KNOWN = Posterior(0.8, 0.1, np.array([0.2, -0.1]), np.array([[0.09, 0.02], [0.02, 0.04]]))
BOTH = ("offset", "weight")


def summed(log_odds: Floats, weight: Floats, share: Floats | None, correction: str) -> float:
    total = Information(3)
    total.add(Z, log_odds, CHANCES, weight, share=share)
    return total.efficiency(correction)


@pytest.mark.parametrize("correction", BOTH)
def test_as_sums_over_rows_say(correction: str) -> None:
    plain = Forecast(Z, LOG_ODDS, WEIGHT, WEIGHT, None).of(CHANCES)[correction]
    assert plain.efficiency == pytest.approx(summed(LOG_ODDS, WEIGHT, None, correction))
    found = Forecast(Z, LOG_ODDS, WEIGHT, WEIGHT, KNOWN).of(CHANCES)[correction]
    nodes = KNOWN.nodes(Z, LOG_ODDS)
    assert found.efficiency == pytest.approx(summed(nodes, WEIGHT, quadrature()[1], correction))
    twice = Forecast(Z[:, [0, 1, 2, 2]], LOG_ODDS, WEIGHT, WEIGHT, None).of(CHANCES)[correction]
    assert twice.efficiency == pytest.approx(plain.efficiency)  # two columns say the same thing
    assert twice.error == pytest.approx(plain.error)


@pytest.mark.parametrize("correction", BOTH)
def test_the_rows_part_of_the_error_by_leaving_each_out_a_little(correction: str) -> None:
    step, squares = 1e-5, 0.0
    for at in range(ROWS):
        more, less = WEIGHT.copy(), WEIGHT.copy()
        more[at] *= 1 + step
        less[at] *= 1 - step
        high, low = (summed(LOG_ODDS, each, None, correction) for each in (more, less))
        # A row that is one of its weight leaves that much less to chance.
        squares += ((np.log(high / low)) / (2 * step)) ** 2 * (1 - 1 / WEIGHT[at])
    squares += few(LOG_ODDS[None], np.ones(1), correction)
    found = Forecast(Z, LOG_ODDS, WEIGHT, WEIGHT, None).of(CHANCES)[correction]
    assert found.error == pytest.approx(np.sqrt(squares), rel=1e-5)


def few(log_odds: Floats, share: Floats, correction: str) -> float:
    """With weights: of the sum over kept negatives of what each brings, (variance / T^2 / 4)^2.

    A Poisson draw keeps WEIGHT (1 - p) pi negatives at x, and each brings p^2 (1 - pi) / pi^2 z'z,
    z in units in which the information is the identity. To second order E sqrt(T (1 + e)) is
    sqrt(T) (1 - var(e) / 8), and log T is off by twice as much as log sqrt(T).
    """
    if correction == "offset":
        return 0.0
    total = Information(3)
    total.add(Z, log_odds, CHANCES, WEIGHT, share=share)
    length = np.einsum("ij,jk,ik->i", Z, np.linalg.inv(total.population), Z)
    p, pi = 1 / (1 + np.exp(-log_odds)), CHANCES.pi_0
    negatives = share @ (1 - p)
    brings = share @ ((1 - p) * p**2) / negatives * (1 - pi) / pi**2 * length
    spread = float((WEIGHT * negatives * pi * brings**2).sum())
    return (spread * (total.efficiency(correction) / 3) ** 2 / 4) ** 2


@pytest.mark.parametrize("correction", BOTH)
def test_the_pilots_part_of_the_error_by_moving_each_slope(correction: str) -> None:
    all_of_them, step = np.ones(ROWS), 1e-5
    nodes, share = KNOWN.nodes(Z, LOG_ODDS), quadrature()[1]
    gradient = []
    for at in range(2):
        moved = step * (Z[:, 1 + at] - KNOWN.centre[at])
        high, low = (summed(nodes + by, WEIGHT, share, correction) for by in (moved, -moved))
        gradient.append(np.log(high / low) / (2 * step))
    mean = summed(KNOWN.mean(LOG_ODDS), WEIGHT, None, correction)
    noise = np.log(mean / summed(nodes, WEIGHT, share, correction))
    expected = np.array(gradient) @ KNOWN.covariance @ np.array(gradient) + noise**2
    expected += few(nodes, share, correction)
    found = Forecast(Z, LOG_ODDS, WEIGHT, all_of_them, KNOWN).of(CHANCES)[correction]
    assert found.error == pytest.approx(np.sqrt(expected), rel=1e-5)


def fit(z: Floats, y: NDArray[np.bool_], offset: float) -> tuple[Floats, Spread]:
    """Coefficients by Newton's method, and what is known of them with the prior of the slopes."""
    found, ridge = np.append(-offset, np.zeros(z.shape[1] - 1)), 0.01 * np.eye(z.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-(z @ found + offset)))
        curved = (z * (p * (1 - p))[:, None]).T @ z
        step = np.linalg.solve(curved + ridge, z.T @ (y - p) - ridge @ found)
        found = found + step / max(1.0, np.abs(step).max())
    prior = np.append(0.01, np.full(z.shape[1] - 1, PRIOR))
    return found, model_based(z, z @ found + offset, np.ones(len(z)), prior)


@pytest.mark.parametrize("correction", BOTH)
def test_small_pilots_foresee_what_their_designs_keep(correction: str) -> None:
    """40 pilots of 100 rows of each class, six exponential features, 1% of the negatives.

    What a design keeps is summed over 40,000 rows at the true log odds. A pilot taken at its word
    misses by its own noise, some 10% (offset) to 20% (weights); the mean over 40 of log ratios that
    spread by .15 has a standard error of .024: less than .1 is asked of it, and nine in ten ranges
    that hold, three standard errors below 95%.
    """
    source = np.random.default_rng(12)
    z = np.column_stack([np.ones(40_000), source.exponential(size=(40_000, 6)) - 1])
    true_odds = z @ np.append(-5.45, np.full(6, 6**-0.5))
    p = 1 / (1 + np.exp(-true_odds))
    share = 100 / p.sum()  # the table is as many times larger as gives the draw its positives
    ratios, plain, held = [], [], []
    for _ in range(40):
        rows = np.concatenate(
            [
                source.choice(len(z), 100, p=p / p.sum()),
                source.choice(len(z), 5000, p=(1 - p) / (1 - p).sum()),
            ]
        )
        y = np.arange(5100) < 100
        weight = np.where(y, 1 / share, (1 - p).sum() / 5000 / share)
        found, spread = fit(z[rows[:200]], y[:200], float(np.log((1 - p).sum() / p.sum())))
        pi = [keep(z[at] @ found, z[rows[~y]] @ found) for at in (rows, slice(None))]
        truth = Information(7)
        truth.add(z, true_odds, Chances(pi[1], np.ones(len(z))), np.ones(len(z)))
        stand, log_odds = z[rows], z[rows] @ found
        prior = np.full(6, PRIOR)
        known = posterior(
            found[1:],
            spread.variance[1:, 1:],
            spread.bias[1:],
            prior,
            stand,
            log_odds=log_odds,
            weight=weight,
        )
        chances = Chances(pi[0], np.ones(5100))
        seen = Forecast(stand, log_odds, weight, weight, known).of(chances)[correction]
        ratios.append(np.log(seen.efficiency / truth.efficiency(correction)))
        held.append(abs(ratios[-1]) < 1.96 * seen.error)
        blind = Forecast(stand, log_odds, weight, weight, None).of(chances)[correction]
        plain.append(np.log(blind.efficiency / truth.efficiency(correction)))
    assert abs(np.mean(ratios)) < 0.1
    assert np.mean(np.abs(ratios)) < np.mean(np.abs(plain))
    assert np.mean(held) >= 0.85


def keep(log_odds: Floats, negatives: Floats) -> Floats:
    """min(max(c p~, .001), 1) with c for 1% of the negatives, by halving."""
    low, high = -10.0, 10.0
    for _ in range(50):
        middle = (low + high) / 2
        if np.clip(np.exp(middle) / (1 + np.exp(-negatives)), 0.001, 1).mean() < 0.01:
            low = middle
        else:
            high = middle
    return np.clip(np.exp(low) / (1 + np.exp(-log_odds)), 0.001, 1)
