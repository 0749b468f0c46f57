"""Estimates against other ways to get them, intervals by hand and by their coverage."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit, logit

from rebalance.core.calibration import calibration_line
from rebalance.core.log_odds_cells import gather
from rebalance.core.metrics import score
from rebalance.core.miscalibration import Interval, measure
from rebalance.core.ranking import rank


def simulated(rows=20_000, slope=1.0, shift=0.0, seed=0):
    """Outcomes whose log odds are `shift` + `slope` times those predicted."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-3.0, 1.3, rows)
    y_true = rng.random(rows) < expit(shift + slope * log_odds)
    return y_true, log_odds, rng.gamma(2.0, 1.0, rows)


@pytest.mark.parametrize("weighted", [False, True])
def test_as_evaluate_has_them(weighted):
    y_true, log_odds, weight = simulated(slope=0.7, shift=0.4)
    weight = weight if weighted else None
    found = measure(gather(y_true, log_odds, weight))
    line = calibration_line(rank(y_true, expit(log_odds), weight))
    # Cells are 1e-3 wide, by a random half of which rows are moved: 1e-6 on the means of thousands.
    assert found.slope.estimate == pytest.approx(line.slope, abs=1e-6)
    assert found.intercept.estimate == pytest.approx(line.intercept, abs=1e-6)
    metrics = score(y_true, expit(log_odds), weight)
    over = found.predicted_over_observed.estimate
    assert over == pytest.approx(metrics["predicted_over_observed"], rel=1e-7)


@pytest.mark.parametrize("weight", [None, 0.5, 30.0])
def test_constant_predictions_by_hand(weight):
    # 30 of 400 rows are positive, 0.1 is predicted for all. At the intercept's fit m = s = 0.075:
    # information n s (1 - s), and the share's log has the variance (1 - s) / 30. Weights that are
    # the same for all rows tell nothing, and the sandwich comes to the same.
    y_true = np.arange(400) < 30
    given = None if weight is None else np.full(400, weight)
    found = measure(gather(y_true, np.full(400, logit(0.1)), given))
    estimate, error = logit(0.075) - logit(0.1), 1 / math.sqrt(400 * 0.075 * 0.925)
    expected = (estimate, estimate - 1.959964 * error, estimate + 1.959964 * error)
    intercept = found.intercept
    assert (intercept.estimate, intercept.low, intercept.high) == pytest.approx(expected, rel=1e-6)
    factor = math.exp(1.959964 * math.sqrt(0.925 / 30))
    over, ratio = found.predicted_over_observed, 0.1 / 0.075
    expected = (ratio, ratio / factor, ratio * factor)
    assert (over.estimate, over.low, over.high) == pytest.approx(expected, rel=1e-6)
    assert math.isnan(found.slope.estimate)
    assert found.reason == "all probabilities are the same"
    assert found.excludes_one == []
    assert found.too_wide(10) == ["slope"]


def test_the_slopes_error_is_that_of_the_information():
    y_true, log_odds, _ = simulated(slope=0.8)
    found = measure(gather(y_true, log_odds)).slope
    mean = expit(0.8 * log_odds)  # the truth, from which the fit is some errors away
    z = np.column_stack([np.ones(len(log_odds)), log_odds])
    error = math.sqrt(np.linalg.inv(z.T @ (z * (mean * (1 - mean))[:, None]))[1, 1])
    # 2,000 positives: the information at the estimate differs by a few percent.
    assert (found.high - found.low) / (2 * 1.959964) == pytest.approx(error, rel=0.1)


@pytest.mark.parametrize("sampled", [False, True])
def test_intervals_cover_the_truth_as_often_as_they_say(sampled):
    # 500 tables: the share of 95% has a standard error of 1%; the bounds are three of them.
    inside = np.zeros(3)
    rng = np.random.default_rng(5)
    for _ in range(500):
        log_odds = rng.normal(-2.0, 1.2, 3_000)
        y_true = rng.random(3_000) < expit(log_odds)
        weight = None
        if sampled:  # all positives, and negatives by what they look like, above a floor
            pi = np.where(y_true, 1.0, np.clip(1.5 * expit(log_odds), 0.1, 1))
            kept = rng.random(3_000) < pi
            y_true, log_odds, weight = y_true[kept], log_odds[kept], 1 / pi[kept]
        found = measure(gather(y_true, log_odds, weight))
        inside += [
            not found.predicted_over_observed.excludes(1),
            not found.slope.excludes(1),
            not found.intercept.excludes(0),
        ]
    assert (inside / 500).tolist() == pytest.approx([0.95] * 3, abs=0.03)


@pytest.mark.parametrize("order", [[-3.0, -2.0, -1.0], [-1.0, -2.0, -3.0]])
def test_separated_classes_have_no_slope(order):
    found = measure(gather(np.array([False, False, True]), np.array(order)))
    assert "separate" in found.reason
    assert math.isnan(found.slope.estimate)
    assert math.isfinite(found.intercept.estimate)


def test_probabilities_of_nothing_and_all():
    # 1e-348 and 1 - 1e-348: certain as probabilities, finite as log odds.
    y_true = np.array([False, True, False, True])
    found = measure(gather(y_true, np.array([-800.0, -800.0, 800.0, 800.0])))
    assert found.predicted_over_observed.estimate == 1
    assert found.slope.estimate == pytest.approx(0, abs=1e-9)
    assert found.slope.excludes(1)


def test_hopelessly_far_off():
    # All log odds are -800 where those of 2 of 5 are right.
    found = measure(gather(np.arange(5) < 2, np.full(5, -800.0)))
    assert found.intercept.estimate == pytest.approx(800 + math.log(2 / 3), rel=1e-12)
    assert found.predicted_over_observed.excludes(1)


def test_a_single_positive_is_known_to_a_factor_of_seven():
    found = measure(gather(np.arange(1_000) == 500, np.linspace(-9, -5, 1_000)))
    over = found.predicted_over_observed
    # exp(1.96 / sqrt(1)) = 7.1: one event. The information is 1 - sum m^2, and sum m^2 < max m,
    # which is the largest probability of 0.7% over the mean of 1,000 times 0.17%: under 0.5%.
    assert over.high / over.estimate == pytest.approx(math.exp(1.96), rel=0.01)
    assert over.estimate / over.low == pytest.approx(math.exp(1.96), rel=0.01)


def test_as_text_and_json():
    assert str(Interval(1.0391, 1.0012, 1.0778)) == "1.039 (1.001 to 1.078)"
    assert str(Interval()) == "not known"
    assert Interval().document() == {"estimate": None, "low": None, "high": None}
    assert not Interval().excludes(1)
