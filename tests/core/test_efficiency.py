"""The information that samples keep: by hand, and against the spread of estimates in simulation."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rebalance.core.design import ScoreHistogram
from rebalance.core.efficiency import Chances, Curve, Information, standing_for

Floats = NDArray[np.float64]


def even(pi_0: float, rows: int, pi_1: float = 1.0) -> Chances:
    return Chances(np.full(rows, pi_0), np.full(rows, pi_1))


def test_an_intercept_alone_by_hand() -> None:
    # p = 0.2, pi = 0.1 for 10 rows: the information is 10 x 0.16; kept with the offset
    # 10 x 0.16 x 0.1 / (0.2 + 0.08); with weights I + 10 x 0.8 x 0.04 x 9 = 1.6 + 2.88.
    found = Information(1)
    log_odds = np.full(10, np.log(0.25))
    found.add(np.ones((10, 1)), log_odds, even(0.1, 10), np.ones(10))
    assert found.population[0, 0] == pytest.approx(1.6)
    assert found.efficiency("offset") == pytest.approx(0.1 / 0.28)
    assert found.efficiency("weight") == pytest.approx(1.6 / 4.48)


def test_thinned_positives_by_hand() -> None:
    # p = 0.5, pi_0 = 0.4, pi_1 = 0.8: kept 0.32 / 0.6 of the information; with weights
    # 1 + 0.5 x 1.5 + 0.5 x 0.25 times the variance.
    found = Information(1)
    found.add(np.ones((4, 1)), np.zeros(4), even(0.4, 4, 0.8), np.ones(4))
    assert found.efficiency("offset") == pytest.approx(0.32 / 0.6)
    assert found.efficiency("weight") == pytest.approx(1 / 1.875)


def test_what_a_drawn_row_stands_for_by_hand() -> None:
    # At one x, p = 0.2 of 100 rows: 20 positives, of which half are drawn, and 80 negatives, of
    # which a tenth is: 18 rows stand for 100, whatever their class.
    assert standing_for(np.full(18, 0.2), even(0.1, 18, 0.5)) == pytest.approx(100 / 18)


def test_everything_keeps_everything_and_units_do_not_matter() -> None:
    generator = np.random.default_rng(0)
    z = np.column_stack([np.ones(500), generator.normal(size=(500, 2))])
    log_odds = z @ np.array([-3.0, 1.0, 0.5])
    chances = Chances(0.05 + 0.5 * generator.random(500), np.ones(500))
    whole, found, scaled, doubled = (Information(size) for size in (3, 3, 3, 4))
    ones = np.ones(500)
    whole.add(z, log_odds, even(1.0, 500), ones)
    found.add(z, log_odds, chances, ones)
    scaled.add(z * np.array([1.0, 1e3, 1e-3]), log_odds, chances, ones)
    doubled.add(z[:, [0, 1, 2, 2]], log_odds, chances, ones)  # two columns that say the same thing
    for correction in ("offset", "weight"):
        assert whole.efficiency(correction) == pytest.approx(1)
        assert 0.05 < found.efficiency(correction) < 1
        for other in (scaled, doubled):
            assert other.efficiency(correction) == pytest.approx(found.efficiency(correction))


@pytest.mark.slow
@pytest.mark.parametrize("score", ["uniform", "probability"])
def test_the_efficiencies_are_those_of_estimates_in_simulation(score: str) -> None:
    """1,500 populations of 6,000 rows, each sampled and fitted with the offset and with weights.

    The whole population's own estimate is the yardstick, fitted to the same rows: what its spread
    has of second order in 1 / rows, the others have, too. trace(I Var) is a sum of d = 3 nearly
    independent chi-squares: over 1,500 estimates its relative standard error is
    sqrt(2 / (3 x 1500)) = 2.1%, and that of the ratio of two whose errors correlate by the root of
    the efficiency, some 0.7, sqrt(2 x 0.3) of that: 1.6%, of which 5% are three.
    """
    generator = np.random.default_rng(5)
    truth = np.array([-3.0, 1.0, -0.7])
    repeats, rows, rate = 1500, 6000, 0.1
    errors: dict[str, list[Floats]] = {"offset": [], "weight": [], "whole": []}
    total = Information(3)
    for _ in range(repeats):
        z = np.column_stack([np.ones(rows), generator.normal(size=(rows, 2))])
        log_odds = z @ truth
        prob = 1 / (1 + np.exp(-log_odds))
        y_true = generator.random(rows) < prob
        pi_0 = np.full(rows, rate)
        if score == "probability":
            ranks = ScoreHistogram(lambda rank: rank)
            ranks.add(np.log(prob[~y_true]))
            c = ranks.solve(rate * float((~y_true).sum()), 0.01, 0.0)
            pi_0 = np.clip(c * prob, 0.01, 1)
        total.add(z, log_odds, Chances(pi_0, np.ones(rows)), np.full(rows, 1 / repeats))
        kept = y_true | (generator.random(rows) < pi_0)
        weight = np.where(y_true, 1.0, 1 / pi_0)[kept]
        rows_kept = z[kept], y_true[kept]
        ones = np.ones(len(weight))
        errors["offset"].append(newton(*rows_kept, -np.log(pi_0[kept]), ones, truth) - truth)
        errors["weight"].append(newton(*rows_kept, 0 * weight, weight, truth) - truth)
        errors["whole"].append(newton(z, y_true, np.zeros(rows), np.ones(rows), truth) - truth)
    spread = {name: np.cov(np.array(found).T) for name, found in errors.items()}
    whole = np.trace(total.population @ spread["whole"])
    for correction in ("offset", "weight"):
        observed = whole / np.trace(total.population @ spread[correction])
        assert total.efficiency(correction) / observed == pytest.approx(1, abs=0.05)


def newton(z: Floats, y_true: Floats, offset: Floats, weight: Floats, start: Floats) -> Floats:
    """The maximum of the weighted logistic likelihood with an offset, written out here."""
    found = start.copy()
    for _ in range(6):
        prob = 1 / (1 + np.exp(-(z @ found + offset)))
        curvature = (z * (weight * prob * (1 - prob))[:, None]).T @ z
        found += np.linalg.solve(curvature, z.T @ (weight * (y_true - prob)))
    return found


def test_a_curve_is_read_both_ways() -> None:
    curve = Curve([0.01, 0.1, 1.0], [0.2, 0.6, 1.0])
    assert curve.rate(0.2) == pytest.approx(0.01)
    assert curve.rate(0.4) == pytest.approx(0.01**0.5 * 0.1**0.5)
    assert curve.rate(1.0) == 1.0
    assert curve.rate(0.1) is None
    assert curve.efficiency(0.1) == pytest.approx(0.6)
    assert Curve([0.01, 0.1, 1.0], [0.2, 0.9, 0.9]).rate(0.9) == pytest.approx(0.1)
    assert Curve([0.01, 1.0], [0.2, 0.9]).rate(0.95) is None
