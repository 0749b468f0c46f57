import math
import tracemalloc
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binomtest
from sklearn import metrics as sk

from rebalance.core import ranking as module
from rebalance.core.metrics import (
    METRICS,
    average_precision,
    reliability,
    roc_auc,
    score,
    score_ranking,
    wilson,
)
from rebalance.core.ranking import rank


def simulated(rows=4000, slope=1.0, shift=0.0, seed=0):
    """Outcomes whose log odds are `shift` + `slope` times the log odds of the predictions."""
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-3.0, 1.3, rows)
    y_true = rng.random(rows) < expit(shift + slope * log_odds)
    return y_true, expit(log_odds), rng.gamma(2.0, 1.0, rows)


# Few different probabilities, so that ties between and within the classes are common.
tied_rows = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), st.integers(0, 3)),
    min_size=2,
    max_size=40,
).filter(lambda rows: any(y and w for y, _, w in rows) and any(not y and w for y, _, w in rows))


def columns(rows):
    y_true, y_prob, weight = zip(*rows, strict=True)
    return np.array(y_true), np.array(y_prob), np.array(weight, dtype=float)


class TestAgainstScikitLearn:
    @pytest.mark.parametrize("decimals", [17, 3])
    @pytest.mark.parametrize("rows", [400, 50_000])  # within a block, and several
    @pytest.mark.parametrize("weighted", [False, True])
    def test_many(self, weighted, rows, decimals):
        y_true, y_prob, weight = simulated(rows)
        y_prob, weight = np.round(y_prob, decimals), weight if weighted else None
        found = score(y_true, y_prob, weight)
        expected = {
            "log_loss": sk.log_loss(y_true, y_prob, sample_weight=weight),
            "brier": sk.brier_score_loss(y_true, y_prob, sample_weight=weight),
            "roc_auc": sk.roc_auc_score(y_true, y_prob, sample_weight=weight),
            "average_precision": sk.average_precision_score(y_true, y_prob, sample_weight=weight),
        }
        assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-12)

    @given(tied_rows)
    @settings(max_examples=50, deadline=None)
    def test_ties_and_certainty(self, rows):
        y_true, y_prob, weight = columns(rows)
        found = score(y_true, y_prob, weight)
        clipped = {"labels": [False, True], "sample_weight": weight}
        assert found["log_loss"] == pytest.approx(sk.log_loss(y_true, y_prob, **clipped), rel=1e-9)
        expected = sk.roc_auc_score(y_true, y_prob, sample_weight=weight)
        assert found["roc_auc"] == pytest.approx(expected, abs=1e-12)
        expected = sk.average_precision_score(y_true, y_prob, sample_weight=weight)
        assert found["average_precision"] == pytest.approx(expected, abs=1e-12)


class TestProperties:
    @given(tied_rows)
    @settings(max_examples=50, deadline=None)
    def test_a_whole_weight_is_that_many_rows(self, rows):
        y_true, y_prob, weight = columns(rows)
        times = weight.astype(int)
        weighted = score(y_true, y_prob, weight)
        repeated = score(np.repeat(y_true, times), np.repeat(y_prob, times))
        for name in set(METRICS) - {"rows", "positives"}:
            assert weighted[name] == pytest.approx(repeated[name], abs=1e-9, nan_ok=True), name

    @given(tied_rows, st.randoms(use_true_random=False))
    @settings(max_examples=50, deadline=None)
    def test_the_order_of_rows_does_not_matter(self, rows, random):
        shuffled = list(rows)
        random.shuffle(shuffled)
        first, second = score(*columns(rows)), score(*columns(shuffled))
        for name in METRICS:
            assert first[name] == pytest.approx(second[name], abs=1e-9, nan_ok=True), name

    @given(tied_rows, st.integers(1, 8))
    @settings(max_examples=50, deadline=None)
    def test_the_size_of_blocks_does_not_matter(self, rows, size):
        whole = score(*columns(rows))
        with mock.patch.object(module, "BLOCK", size):
            cut = score(*columns(rows))
        assert cut == pytest.approx(whole, rel=1e-9, abs=1e-12, nan_ok=True)

    def test_the_unit_of_weights_does_not_matter(self):
        y_true, y_prob, weight = simulated()
        small, large = score(y_true, y_prob, weight * 1e-9), score(y_true, y_prob, weight * 1e9)
        for name in set(METRICS) - {"weight", "weight_positives"}:
            assert small[name] == pytest.approx(large[name], rel=1e-9), name

    def test_the_truth_as_probability(self):
        found = score(np.array([True, False, True]), np.array([1.0, 0.0, 1.0]))
        assert found["brier"] == 0
        assert found["ece"] == 0
        assert found["roc_auc"] == 1
        assert found["average_precision"] == 1
        assert found["predicted_over_observed"] == 1
        assert found["log_loss"] == pytest.approx(0, abs=1e-15)

    def test_complement_mirrors_the_roc(self):
        y_true, y_prob, weight = simulated()
        auc = roc_auc(rank(y_true, y_prob, weight))
        assert roc_auc(rank(y_true, 1 - y_prob, weight)) == pytest.approx(1 - auc)


class TestByHand:
    def test_means_and_totals(self):
        found = score(
            np.array([True, False, False]), np.array([0.5, 0.2, 0.1]), np.array([2.0, 1.0, 1.0])
        )
        assert (found["rows"], found["positives"]) == (3, 1)
        assert (found["weight"], found["weight_positives"]) == (4, 2)
        assert found["mean_predicted"] == pytest.approx((2 * 0.5 + 0.2 + 0.1) / 4)
        assert found["mean_observed"] == pytest.approx(0.5)
        assert found["predicted_over_observed"] == pytest.approx(1.3 / 2)
        assert found["brier"] == pytest.approx((2 * 0.25 + 0.04 + 0.01) / 4)

    def test_a_certain_row_that_is_wrong_costs_what_the_clip_costs(self):
        found = score(np.array([True, False]), np.array([0.0, 0.0]))
        assert found["log_loss"] == pytest.approx(52 * math.log(2) / 2)  # the clip is 2^-52

    def test_ece(self):
        # 20 different probabilities make ten bins of two; only the top bin holds positives.
        y_prob = np.linspace(0.01, 0.2, 20)
        y_true = np.arange(20) >= 18
        means = y_prob.reshape(10, 2).mean(axis=1)
        observed = y_true.reshape(10, 2).mean(axis=1)
        assert score(y_true, y_prob)["ece"] == pytest.approx(np.abs(means - observed).mean())

    def test_ece_keeps_ties_together(self):
        # Sixteen rows at 0.1 with 4 positives, four at 0.5 with 3: two bins, whatever the order.
        y_prob = np.repeat([0.1, 0.5], [16, 4])
        y_true = np.zeros(20, dtype=bool)
        y_true[[0, 5, 9, 15, 16, 17, 18]] = True
        bins = reliability(rank(y_true, y_prob))
        assert bins.weight.tolist() == [16, 4]
        assert bins.mean_observed.tolist() == [0.25, 0.75]
        expected = 0.8 * 0.15 + 0.2 * 0.25
        assert score(y_true, y_prob)["ece"] == pytest.approx(expected)

    def test_bins_have_equal_weight(self):
        y_true, y_prob, weight = simulated()
        bins = reliability(rank(y_true, y_prob, weight))
        # A row belongs to one bin: each is off a tenth by at most the rows at its two edges.
        assert len(bins.weight) == 10
        assert np.abs(bins.weight - weight.sum() / 10).max() <= weight.max()
        assert np.all(np.diff(bins.mean_predicted) > 0)
        assert bins.mean_observed @ bins.weight == pytest.approx(weight[y_true].sum())


class TestWilson:
    @pytest.mark.parametrize(("hits", "rows"), [(0, 5), (3, 10), (50, 1000), (7, 7)])
    def test_against_scipy(self, hits, rows):
        expected = binomtest(hits, rows).proportion_ci(method="wilson")
        low, high = wilson(np.array([hits / rows]), np.array([float(rows)]))
        assert (low[0], high[0]) == pytest.approx((expected.low, expected.high), abs=1e-12)

    def test_equal_weights_do_not_change_the_interval(self):
        y_true, y_prob, _ = simulated(500)
        plain = reliability(rank(y_true, y_prob))
        weighted = reliability(rank(y_true, y_prob, np.full(500, 7.0)))
        assert weighted.low == pytest.approx(plain.low)
        assert weighted.high == pytest.approx(plain.high)


class TestNotDefined:
    @pytest.mark.parametrize("positive", [True, False])
    def test_one_class(self, positive):
        found = score(np.full(4, positive), np.array([0.1, 0.2, 0.3, 0.4]))
        undefined = {name for name, value in found.items() if math.isnan(value)}
        expected = {"roc_auc", "average_precision", "calibration_slope", "calibration_intercept"}
        assert undefined == expected | (set() if positive else {"predicted_over_observed"})

    @pytest.mark.parametrize("rows", [0, 3])
    def test_no_weight(self, rows):
        found = score(np.zeros(rows, bool), np.zeros(rows), np.zeros(rows))
        assert found["rows"] == rows
        assert found["weight"] == 0
        rest = set(METRICS) - {"rows", "positives", "weight", "weight_positives"}
        assert all(math.isnan(found[name]) for name in rest)
        assert len(reliability(rank(np.zeros(0, bool), np.zeros(0))).weight) == 0

    def test_a_class_without_weight_is_not_there(self):
        found = score(
            np.array([True, False, False]), np.array([0.5, 0.1, 0.2]), np.array([0.0, 1.0, 1.0])
        )
        assert math.isnan(found["roc_auc"])
        assert math.isnan(found["predicted_over_observed"])
        assert math.isnan(average_precision(rank(np.ones(2, bool), np.ones(2))))


def test_score_takes_zeros_and_ones_as_labels():
    y_true, y_prob, weight = simulated(300)
    assert score(y_true.astype(np.int8), y_prob, weight) == score(y_true, y_prob, weight)


def test_memory_does_not_grow_with_the_rows():
    y_true, y_prob, _ = simulated(1_000_000)
    ranking = rank(y_true, y_prob)
    tracemalloc.start()
    try:
        score_ranking(ranking)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # One array of all rows would be 8 MB; a block of 16,384 rows has some twenty of 128 kB.
    assert peak < 5e6
