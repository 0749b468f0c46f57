import math

import numpy as np
import pytest
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit

from rebalance.core.calibration import calibration_line, certain
from rebalance.core.ranking import rank


def simulated(rows=4000, slope=1.0, shift=0.0, seed=0):
    """Outcomes whose log odds are `shift` + `slope` times the log odds of the predictions."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-3.0, 1.3, rows)
    y_true = rng.random(rows) < expit(shift + slope * log_odds)
    return y_true, expit(log_odds), rng.gamma(2.0, 1.0, rows)


def line_of(y_true, y_prob, sample_weight=None):
    return calibration_line(rank(y_true, y_prob, sample_weight))


@pytest.mark.parametrize("weighted", [False, True])
def test_against_glum(weighted):
    from glum import GeneralizedLinearRegressor

    y_true, y_prob, weight = simulated(slope=0.7, shift=0.4)
    weight = weight if weighted else None
    x = logit(y_prob)
    settings = {"family": "binomial", "alpha": 0, "gradient_tol": 1e-10}
    free = GeneralizedLinearRegressor(**settings)
    free.fit(x[:, None], y_true.astype(float), sample_weight=weight)
    # A column of zeros with a tiny penalty leaves the intercept as the one parameter.
    fixed = GeneralizedLinearRegressor(family="binomial", alpha=1e-3, gradient_tol=1e-10)
    fixed.fit(np.zeros((len(x), 1)), y_true.astype(float), sample_weight=weight, offset=x)
    line = line_of(y_true, y_prob, weight)
    assert line.slope == pytest.approx(free.coef_[0], abs=1e-6)
    assert line.intercept == pytest.approx(fixed.intercept_, abs=1e-6)
    assert line.reason == ""


def test_is_the_optimum_where_probabilities_are_extreme():
    rng = np.random.default_rng(1)
    x = rng.normal(0, 12, 300)  # log odds from -40 to 40
    y_true = rng.random(300) < expit(0.3 * x)
    y_prob = expit(x)
    x = logit(y_prob[y_prob < 1])  # above 36.7 a probability is 1
    y = y_true[y_prob < 1]

    def loss(theta):
        eta = theta[0] + theta[1] * x
        return np.logaddexp(0, eta).sum() - eta[y].sum()

    best = minimize(loss, [0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9})
    assert line_of(y_true, y_prob).slope == pytest.approx(best.x[1], abs=1e-6)


def test_predictions_true_to_the_population():
    y_true, y_prob, _ = simulated(200_000, seed=3)
    line = line_of(y_true, y_prob)
    # Of the intercept, 1 / sqrt(sum p (1 - p)) is the standard error; the slope's is that over
    # the spread of the log odds among the informative rows, about 1.3. Five of each.
    error = 1 / math.sqrt((y_prob * (1 - y_prob)).sum())
    assert line.intercept == pytest.approx(0, abs=5 * error)
    assert line.slope == pytest.approx(1, abs=5 * error)


def test_a_shift_is_the_intercept():
    # With the slope fixed at 1, shifting every log odds by d moves the intercept by -d.
    y_true, y_prob, _ = simulated()
    base = line_of(y_true, y_prob)
    moved = line_of(y_true, expit(logit(y_prob) + 0.8))
    assert moved.intercept == pytest.approx(base.intercept - 0.8, abs=1e-9)
    assert moved.slope == pytest.approx(base.slope, abs=1e-9)


def test_stretched_log_odds_divide_the_slope():
    y_true, y_prob, _ = simulated()
    base = line_of(y_true, y_prob).slope
    stretched = line_of(y_true, expit(2 * logit(y_prob))).slope
    assert stretched == pytest.approx(base / 2, abs=1e-9)


def test_certain_rows_are_left_out():
    y_true, y_prob, _ = simulated()
    more_true = np.concatenate([y_true, [True, False, True]])
    more_prob = np.concatenate([y_prob, [0.0, 0.0, 1.0]])
    assert line_of(more_true, more_prob) == line_of(y_true, y_prob)
    assert certain(rank(more_true, more_prob)) == (3, 1)


def test_constant():
    y_true = np.arange(10) < 3
    line = line_of(y_true, np.full(10, 0.5))
    assert math.isnan(line.slope)
    assert line.intercept == pytest.approx(logit(0.3))
    assert "the same" in line.reason


@pytest.mark.parametrize("y_prob", [[0.1, 0.2, 0.2, 0.3], [0.9, 0.8, 0.8, 0.1]])
def test_separated(y_prob):
    line = line_of(np.array([False, False, True, True]), np.array(y_prob))
    assert math.isnan(line.slope)
    assert math.isfinite(line.intercept)
    assert "separate" in line.reason


def test_hopelessly_far_off():
    # All log odds are -690 where -0.405 is right: the intercept finds its way.
    line = line_of(np.arange(5) < 2, np.full(5, 1e-300))
    assert line.intercept == pytest.approx(math.log(2 / 3) + 300 * math.log(10))


def test_is_the_optimum_of_many_blocks():
    # Both equations of the likelihood hold: residuals sum to nothing, alone and times the logit.
    y_true, y_prob, weight = simulated(100_000, slope=0.7, shift=0.4)
    line = line_of(y_true, y_prob, weight)
    x = logit(y_prob)
    left = weight * (y_true - expit(line.intercept + x))
    # A standard error of the sum is about 150, and the fit is off by 1e-14 of one; 100,000 terms
    # of at most 20 are rounded by less than 1e-10.
    assert abs(left.sum()) < 1e-6

    def residual(a):
        return (weight * (y_true - expit(a + line.slope * x))).sum()

    a = brentq(residual, -5, 5, xtol=1e-14)
    left = weight * (y_true - expit(a + line.slope * x))
    assert abs((left * x).sum()) < 1e-6


def test_finds_an_overlap_narrower_than_a_cell():
    # Far apart the classes are in order, and the wrong way round within a hair's breadth.
    x = np.array([-10.0, -1e-4, 1e-4, 10.0])
    y_true = np.array([False, True, False, True])
    # By symmetry the intercept is 0, and the slope b solves 20 s(-10 b) = 2e-4 s(1e-4 b), with s
    # the logistic function.
    expected = brentq(lambda b: 20 * expit(-10 * b) - 2e-4 * expit(1e-4 * b), 0, 10, xtol=1e-14)
    assert line_of(y_true, expit(x)).slope == pytest.approx(expected, rel=1e-9)


def test_rows_without_weight_are_not_there():
    y_true, y_prob, weight = simulated()
    more = (np.append(y_true, True), np.append(y_prob, 1e-12), np.append(weight, 0.0))
    fewer, with_more = line_of(y_true, y_prob, weight), line_of(*more)
    assert with_more.slope == pytest.approx(fewer.slope, rel=1e-12)
    assert with_more.intercept == pytest.approx(fewer.intercept, rel=1e-12)


@pytest.mark.parametrize("positive", [True, False])
def test_one_class(positive):
    line = line_of(np.full(3, positive), np.array([0.1, 0.2, 0.3]))
    assert math.isnan(line.slope)
    assert math.isnan(line.intercept)
    assert "one class is empty" in line.reason
