"""Maps of log odds: their optimum, their bounds, and their way through JSON."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression

from rebalance.core.log_odds_cells import gather
from rebalance.core.recalibration import (
    METHODS,
    Beta,
    Intercept,
    Isotonic,
    Platt,
    fit_recalibration,
    read_recalibration,
)
from rebalance.errors import ArtifactError, FitError


def simulated(rows=50_000, seed=0, slope=0.7, shift=-0.9):
    """The log odds that happen are `shift` + `slope` times those predicted."""
    rng = np.random.default_rng(seed)
    predicted = rng.normal(-3.0, 1.5, rows)
    return rng.random(rows) < expit(shift + slope * predicted), predicted


def fitted(method, y_true, log_odds, weight=None):
    return fit_recalibration(method, gather(y_true, log_odds, weight))


def test_platt_finds_what_was_bent():
    y_true, predicted = simulated()
    found = fitted("platt", y_true, predicted)
    # Some 1,500 positives over log odds that spread by 1.5: standard errors of some 0.02 and 0.06.
    assert found.slope == pytest.approx(0.7, abs=0.08)
    assert found.intercept == pytest.approx(-0.9, abs=0.25)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("method", ["intercept", "platt", "beta"])
def test_the_likelihood_equations_hold(method, weighted):
    y_true, predicted = simulated()
    rng = np.random.default_rng(1)
    weight = rng.gamma(2.0, 1.0, len(y_true)) if weighted else np.ones(len(y_true))
    found = fitted(method, y_true, predicted, weight if weighted else None)
    left = weight * (y_true - expit(found(predicted)))
    columns = {"intercept": [], "platt": [predicted], "beta": []}[method]
    if method == "beta":
        assert min(found.a, found.b) >= 0
        tails = {"a": np.log(expit(predicted)), "b": -np.log(expit(-predicted))}
        columns = [column for name, column in tails.items() if getattr(found, name) > 0]
        for name, column in tails.items():  # at a bound, more of it would only do harm
            if getattr(found, name) == 0:
                assert (left * column).sum() < 0
    # The sums have standard errors of 40 and more; cells of 1e-3 move them by 1e-3 of that.
    for column in [np.ones(len(y_true)), *columns]:
        assert abs((left * column).sum()) < 0.05


def test_beta_obeys_its_bounds_and_is_the_best_that_does():
    # Observed shares that fall off at the upper end want b below 0.
    rng = np.random.default_rng(2)
    predicted = rng.normal(0.0, 2.0, 5_000)
    truth = 0.4 * expit(2.0 * predicted) * (1 - 0.7 * expit(3.0 * predicted - 6))
    y_true = rng.random(5_000) < truth
    found = fitted("beta", y_true, predicted)
    assert found.b == 0
    assert found.a > 0

    def loss(theta):
        a, b, c = theta
        eta = a * np.log(expit(predicted)) - b * np.log(expit(-predicted)) + c
        return np.logaddexp(0, eta).sum() - eta[y_true].sum()

    best = minimize(loss, [1.0, 1.0, 0.0], bounds=[(0, None), (0, None), (None, None)])
    assert loss([found.a, found.b, found.c]) == pytest.approx(best.fun, rel=1e-7)


def test_beta_with_both_the_same_is_platts():
    x = np.linspace(-30, 30, 101)
    assert Beta(0.8, 0.8, -0.3)(x) == pytest.approx(Platt(-0.3, 0.8)(x), abs=1e-12)


def test_isotonic_is_scikit_learns_between_its_ends():
    y_true, predicted = simulated(4_000)
    grid = np.round(predicted * 16) / 16  # every cell holds one value
    found = fitted("isotonic", y_true, grid)
    theirs = IsotonicRegression(y_min=0, y_max=1).fit(grid, y_true).predict(grid)
    inner = (theirs > 0) & (theirs < 1)
    assert inner.mean() > 0.3
    assert expit(found(grid))[inner] == pytest.approx(theirs[inner], abs=1e-12)


def test_isotonic_never_says_never():
    # 9 rows without a positive, then 1 of 2, then 4 positives: (0 + .5) / 10 and (4 + .5) / 5.
    predicted = np.array([-4.0] * 9 + [0.0] * 2 + [2.0] * 4)
    y_true = np.array([False] * 10 + [True] * 5)
    found = fitted("isotonic", y_true, predicted)
    assert found.knots == (-4.0, 0.0, 2.0)
    assert expit(np.array(found.values)) == pytest.approx([0.05, 0.5, 0.9])
    assert expit(found(np.array([-50.0, 50.0]))) == pytest.approx([0.05, 0.9])
    # Where classes are apart, both ends are; weights count by their effective number, here 4.
    found = fitted("isotonic", np.arange(8) >= 4, np.arange(8.0), np.full(8, 7.0))
    assert expit(found(np.array([0.0, 9.0]))) == pytest.approx([0.1, 0.9])
    # Half a row must not lift the lowest above the next: 1 of 500 comes after 0 of 1.
    predicted = np.array([-4.0] + [0.0] * 500 + [1.0])
    found = fitted("isotonic", np.arange(502) >= 500, predicted)
    assert list(found.values) == sorted(found.values)
    assert expit(found(np.array([-4.0])))[0] == pytest.approx(1 / 500)


maps = st.one_of(
    st.builds(Intercept, st.floats(-5, 5)),
    st.builds(Platt, st.floats(-5, 5), st.floats(0.01, 5)),
    st.builds(Beta, st.floats(0, 5), st.floats(0, 5), st.floats(-5, 5)),
    st.lists(st.tuples(st.floats(-20, 20), st.floats(-20, 20)), min_size=2, unique=True).map(
        lambda points: Isotonic(
            tuple(sorted({x for x, _ in points})),
            tuple(sorted(y for _, y in points))[: len({x for x, _ in points})],
        )
    ),
)


@given(maps, st.lists(st.floats(-700, 700), min_size=2))
def test_no_map_turns_two_rows_round_or_leaves_the_numbers(found, values):
    moved = found(np.sort(np.array(values)))
    assert np.isfinite(moved).all()
    assert (np.diff(moved) >= -1e-12 * (1 + np.abs(moved[1:]))).all()


@given(maps)
def test_through_json(found):
    assert read_recalibration(json.loads(json.dumps(found.to_document()))) == found


@pytest.mark.parametrize("method", METHODS)
def test_what_is_fitted_goes_through_json_and_says_what_it_is(method):
    y_true, predicted = simulated(5_000)
    found = fitted(method, y_true, predicted)
    assert read_recalibration(json.loads(json.dumps(found.to_document()))) == found
    assert str(found).startswith(f"{method}: ")
    # Below log odds of -3, where -0.9 + 0.7 g is above g, they were too low, above it too high.
    moved = found(np.array([-5.0, -1.5]))
    assert method == "intercept" or moved[0] > -5.0
    assert method == "intercept" or moved[1] < -1.5


def test_a_method_of_a_newer_version():
    with pytest.raises(ArtifactError, match="'spline'"):
        read_recalibration({"method": "spline", "knots": []})


@pytest.mark.parametrize("method", ["platt", "beta", "isotonic"])
def test_the_wrong_way_round(method):
    predicted = np.linspace(-3, 3, 200)
    y_true = np.sin(40 * predicted) > predicted / 4  # the higher, the fewer
    with pytest.raises(FitError, match="wrong way round"):
        fitted(method, y_true, predicted)
    assert fitted("intercept", y_true, predicted).method == "intercept"


@pytest.mark.parametrize("method", ["platt", "beta"])
def test_what_the_outcomes_do_not_determine(method):
    y_true = np.arange(10) < 3
    with pytest.raises(FitError, match="are the same"):
        fitted(method, y_true, np.full(10, -1.0))
    with pytest.raises(FitError, match="separate the classes"):
        fitted(method, y_true, -np.arange(10.0))
    # One parameter is determined: the share is 0.3.
    found = fitted("intercept", y_true, np.full(10, -1.0))
    assert found.intercept - 1 == pytest.approx(logit(0.3), abs=1e-9)
    assert math.isfinite(found.intercept)
