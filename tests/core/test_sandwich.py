"""The sandwich by hand, written out whole, and against fits without each row in turn."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from rebalance.core.inference import estimates
from rebalance.core.sandwich import sandwich
from rebalance.core.terms import Numeric

Floats = NDArray[np.float64]


def expit(eta: Floats) -> Floats:
    return 1 / (1 + np.exp(-eta))


def fit(z: Floats, y: Floats, weight: Floats, penalty: Floats) -> Floats:
    found = np.zeros(z.shape[1])
    for _ in range(30):
        q = expit(z @ found)
        curved = (z * (weight * q * (1 - q))[:, None]).T @ z + np.diag(penalty)
        found += np.linalg.solve(curved, z.T @ (weight * (y - q)) - penalty * found)
    return found


def test_an_intercept_alone_by_hand() -> None:
    # 10 of 50: every row has the leverage 1/50. V = 50/49 / (50 x .16). The log odds are off by
    # (2p - 1) / (2 n p (1 - p)) to first order (Gart and Zweifel 1967), V's 50/49 beside it. t_i is
    # .64 c for 10 rows and .04 c for 40: (6.4 + 1.6)^2 / (10 x .64^2 + 40 x .04^2) = 15.3846.
    y = np.arange(50) < 10
    found = sandwich(np.ones((50, 1)), y, np.full(50, np.log(0.25)), np.ones(50), np.zeros(1))
    assert found.leverage == pytest.approx(1 / 50)
    assert found.variance[0, 0] == pytest.approx(50 / 49 / 8)
    assert found.bias[0] == pytest.approx(-0.6 / 16 * 50 / 49)
    assert found.degrees(np.eye(1))[0] == pytest.approx(64 / (10 * 0.64**2 + 40 * 0.04**2))
    assert found.degrees(np.array([[-3.0]])) == pytest.approx(found.degrees(np.eye(1)))


def test_as_a_fit_without_each_row_in_turn() -> None:
    # The jackknife is HC3 to first order, a little above HC2, and its bias, (n - 1) times the mean
    # of what leaving a row out changes, is of the same order. 400 rows, leverages of .005 to .03:
    # second order is a few hundredths.
    generator = np.random.default_rng(8)
    z = np.column_stack([np.ones(400), generator.exponential(size=(400, 2))])
    y = generator.random(400) < expit(z @ [-1.5, 0.6, 0.3])
    weight, none = np.where(y, 1.0, 3.0), np.zeros(3)
    found = fit(z, y, weight, none)
    left = np.array([fit(*(np.delete(each, at, 0) for each in (z, y, weight)), none)
                     for at in range(400)])  # fmt: skip
    robust = sandwich(z, y, z @ found, weight, none)
    apart = left - left.mean(axis=0)
    assert np.sqrt(np.diag(robust.variance)) == pytest.approx(
        np.sqrt((apart**2).sum(axis=0)), rel=0.04
    )
    assert robust.bias == pytest.approx(399 * (left.mean(axis=0) - found), rel=0.1)


def test_many_rows_are_added_block_by_block() -> None:
    generator = np.random.default_rng(3)
    z = np.column_stack([np.ones(40_000), generator.standard_normal((40_000, 2))])
    y = generator.random(len(z)) < 0.3
    eta, weight = z @ [-1.0, 0.2, 0.1], generator.uniform(0.5, 2, len(z))
    penalty = np.array([0.0, 100.0, 100.0])
    q = expit(eta)
    curved = weight * q * (1 - q)
    inverse = np.linalg.inv((z * curved[:, None]).T @ z + np.diag(penalty))
    spread = np.einsum("ij,jk,ik->i", z, inverse, z)
    scores = weight * (y - q) / np.sqrt(1 - curved * spread)
    of_rows = inverse @ (z * scores[:, None] ** 2).T @ z @ inverse
    found = sandwich(z, y, eta, weight, penalty)
    expected = of_rows + inverse @ np.diag(penalty) @ inverse
    assert found.variance == pytest.approx(expected, rel=1e-9)
    pull = curved * scores * spread
    pull += curved * (1 - 2 * q) * np.einsum("ij,jk,ik->i", z, of_rows, z) / 2
    assert found.bias == pytest.approx(-inverse @ z.T @ pull, rel=1e-8)
    contrast = np.array([1.0, -2.0, 0.5])
    terms = (z @ inverse @ contrast * scores) ** 2
    freedom = (contrast @ expected @ contrast) ** 2 / (terms**2).sum()
    assert found.degrees(contrast[None]) == pytest.approx([freedom], rel=1e-9)


def test_intervals_are_those_of_t_around_what_is_left_of_the_bias() -> None:
    y = np.arange(50) < 10
    z, eta = np.ones((50, 1)), np.full(50, np.log(0.25))
    robust = sandwich(z, y, eta, np.ones(50), np.zeros(1))
    shown = estimates(["intercept"], eta[:1], robust, [], "sandwich")
    row = shown["coefficients"][0]
    # scipy's t.ppf(.975, 15.3846) = 2.12682; the standard error is sqrt(50/49/8) = .357143.
    assert row["degrees_of_freedom"] == pytest.approx(15.3846, abs=1e-4)
    assert row["bias"] == pytest.approx(-0.0382653, abs=1e-6)
    assert row["low"] == pytest.approx(np.log(0.25) + 0.0382653 - 2.12682 * 0.357143, abs=1e-4)
    assert row["high"] == pytest.approx(np.log(0.25) + 0.0382653 + 2.12682 * 0.357143, abs=1e-4)
    # scipy: t.sf(3.7744799, 15.3846) = 8.823074e-4 = norm.sf(3.127231).
    assert row["z"] == pytest.approx(-3.127231, abs=1e-5)
    assert shown["largest_bias"] == pytest.approx(0.0382653 / 0.357143, abs=1e-5)


@pytest.mark.parametrize("weight", [1.0, 1e3, 1e6, 1e9])
def test_intervals_hold_their_estimate_and_agree_with_z(weight: float) -> None:
    """One weight among 2,000: where its row decides all, the bias to first order is absurd."""
    generator = np.random.default_rng(6)
    z = np.column_stack([np.ones(2000), generator.standard_normal((2000, 3))])
    y = generator.random(2000) < expit(z @ [-3.0, 1.0, 0.12, 0.0])
    each = np.where(np.arange(2000) == 500, weight, 1.0)
    each, ridge = each / each.mean(), np.array([0, 0.01, 0.01, 0.01])
    found = np.zeros(4)
    for _ in range(3000):  # damped: a step may overshoot by far
        q = expit(z @ found)
        curved = (z * (each * q * (1 - q))[:, None]).T @ z + np.diag(ridge)
        step = np.linalg.solve(curved, z.T @ (each * (y - q)) - ridge * found)
        found += step / max(1.0, 2 * np.abs(step).max())
    robust = sandwich(z, y, z @ found, each, ridge)
    terms = [Numeric(name, None, mean=0.0, scale=1.0, missing=False) for name in "abc"]
    shown = estimates(["1", "a", "b", "c"], found, robust, terms, "sandwich")
    for row in shown["coefficients"]:
        assert row["low"] < row["coefficient"] < row["high"]
        outside = row["low"] > 0 or row["high"] < 0
        assert outside == (abs(row["z"]) > 1.959964)
        assert np.isfinite(row["z"])
    assert (shown["largest_bias"] > 0.5) == (weight >= 1e6)


def test_a_z_beyond_all_tails() -> None:
    # Halves of 10% and 90%: the log odds ratio is some 200 standard errors.
    row = np.arange(100_000)
    z = np.column_stack([np.ones(len(row)), row % 2])
    y = np.where(row % 2 > 0, row % 20 != 1, row % 20 == 0)
    eta = np.where(row % 2 > 0, np.log(9), -np.log(9))
    robust = sandwich(z, y, eta, np.ones(len(row)), np.zeros(2))
    at = np.array([-np.log(9), 2 * np.log(9)])
    term = Numeric("x", None, mean=0.0, scale=1.0, missing=False)
    shown = estimates(["1", "x"], at, robust, [term], "sandwich")
    slope = shown["coefficients"][1]
    t, degrees = (at[1] - slope["bias"]) / slope["standard_error"], slope["degrees_of_freedom"]
    # Hill 1970: the deviate is sqrt(a log(1 + t^2 / degrees)) to first order, a = degrees - 1/2.
    expected = np.sqrt((degrees - 0.5) * np.log1p(t**2 / degrees))
    assert 38 < slope["z"] < t
    assert slope["z"] == pytest.approx(expected, rel=0.01)
