import math
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from rebalance.core import ranking as module
from rebalance.core.ranking import rank
from rebalance.core.thresholds import (
    THRESHOLD_METRICS,
    Threshold,
    confusion,
    figures_at,
    find_cut,
    parse_threshold,
)
from rebalance.errors import UsageError

Y_TRUE = np.array([True, False, True, False, False, True, False, False])
Y_PROB = np.array([0.9, 0.8, 0.8, 0.5, 0.4, 0.3, 0.2, 0.1])


def cut(text, y_true=Y_TRUE, y_prob=Y_PROB, weight=None):
    return find_cut(parse_threshold(text), rank(y_true, y_prob, weight))


def figures(y_true, y_prob, value, weight=None, **options):
    return confusion(rank(y_true, y_prob, weight), value, **options)


class TestParse:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("0.3", Threshold("value", 0.3)),
            (" .30 ", Threshold("value", 0.3)),
            ("0", Threshold("value", 0.0)),
            ("1e-3", Threshold("value", 0.001)),
            ("f1", Threshold("f1")),
            ("recall=.8", Threshold("recall", 0.8)),
            ("recall = 0.80", Threshold("recall", 0.8)),
            ("precision=1", Threshold("precision", 1.0)),
            ("top=100", Threshold("top", 100.0)),
        ],
    )
    def test_forms(self, text, expected):
        found = parse_threshold(text)
        assert found == expected
        assert parse_threshold(str(found)) == expected

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("1.2", "between 0 and 1"),
            ("-0.1", "between 0 and 1"),
            ("nan", "between 0 and 1"),
            ("recall=0", "between 0 and 1"),
            ("precision=1.5", "between 0 and 1"),
            ("recall=", "not a number"),
            ("recall", "not a number"),
            ("0,3", "not a number"),
            ("", "not a number"),
            ("f1=0.3", "no threshold"),
            ("recal=0.3", "no threshold"),
            ("top=0", "number of rows"),
            ("top=1.5", "number of rows"),
            ("top=²", "number of rows"),
        ],
    )
    def test_refused(self, text, words):
        with pytest.raises(UsageError, match=words) as caught:
            parse_threshold(text)
        assert f"--threshold '{text}'" in str(caught.value)


class TestFindCut:
    def test_by_hand(self):
        # Thresholds .9 .8 .5 .4 .3 have recall 1/3 2/3 2/3 2/3 1 and precision 1 2/3 1/2 2/5 1/2.
        assert cut("recall=0.6").value == 0.8
        assert cut("recall=0.67").value == 0.3
        assert cut("recall=1").value == 0.3
        assert cut("precision=0.5").value == 0.3
        assert cut("precision=0.6").value == 0.8
        assert cut("f1").value == 0.8  # F1 1/2 2/3 4/7 1/2 2/3 2/7...: of two equal, the higher
        assert cut("0.25").value == 0.25

    def test_exact_shares_are_reached(self):
        y_true = np.ones(10, bool)
        y_true[9] = False
        y_prob = np.linspace(0.9, 0.1, 10)
        weight = np.full(10, 0.1)  # sums of 0.1 are not whole: 9 of them make 0.8999999999999999
        assert cut("recall=0.6666666666666666", y_true, y_prob, weight).value == y_prob[5]

    def test_top(self):
        assert cut("top=1").value == 0.9
        assert cut("top=1").remark == ""
        found = cut("top=2")
        assert found.value == 0.8
        assert "3 rows are selected, not 2" in found.remark
        assert "2 of them share" in found.remark
        assert cut("top=8").value == 0.1

    def test_top_counts_rows_without_weight(self):
        weight = np.array([0.0, 1, 1, 1, 1, 1, 1, 1])
        assert cut("top=1", weight=weight).value == 0.9

    def test_top_beyond_the_rows(self):
        with pytest.raises(UsageError, match=r"more rows than there are.*there are 8"):
            cut("top=9")

    def test_precision_out_of_reach(self):
        y_prob = np.where(Y_PROB == 0.9, 0.8, Y_PROB)  # the three at .8: precision 2/3
        found = cut("precision=0.7", y_prob=y_prob)
        assert math.isnan(found.value)
        assert "0.6667" in found.remark
        assert "recall 0.6667" in found.remark

    rows = st.lists(
        st.tuples(st.booleans(), st.integers(0, 10), st.floats(0.1, 5)), min_size=2, max_size=30
    ).filter(lambda rows: len({y for y, _, _ in rows}) == 2)

    @given(rows, st.floats(0.01, 1.0), st.integers(1, 8))
    @settings(max_examples=50, deadline=None)
    def test_against_every_threshold(self, rows, target, size):
        with mock.patch.object(module, "BLOCK", size):
            self.against_every_threshold(rows, target)

    def against_every_threshold(self, rows, target):
        y_true = np.array([y for y, _, _ in rows])
        y_prob = np.array([value / 10 for _, value, _ in rows])
        weight = np.array([w for _, _, w in rows])
        every = [figures(y_true, y_prob, value, weight) for value in np.unique(y_prob)]

        recall = cut(f"recall={target!r}", y_true, y_prob, weight).value
        enough = [each["value"] for each in every if each["recall"] >= target - 1e-9]
        assert recall == max(enough)

        precision = cut(f"precision={target!r}", y_true, y_prob, weight)
        enough = [each["value"] for each in every if each["precision"] >= target - 1e-9]
        if enough:
            assert precision.value == min(enough)
        else:
            assert math.isnan(precision.value)
            best = max(each["precision"] for each in every)
            assert f"the best is {best:.4g}" in precision.remark

        best = max(each["f1"] for each in every)
        found = figures(y_true, y_prob, cut("f1", y_true, y_prob, weight).value, weight)
        assert found["f1"] == pytest.approx(best)


class TestConfusion:
    @pytest.mark.parametrize("weighted", [False, True])
    def test_against_scikit_learn(self, weighted):
        rng = np.random.default_rng(0)
        y_prob = rng.random(500)
        y_true = rng.random(500) < y_prob**2
        weight = rng.gamma(2, 1, 500) if weighted else None
        found = figures(y_true, y_prob, 0.6, weight, beta=0.5)
        chosen = y_prob >= 0.6
        tn, fp, fn, tp = sk.confusion_matrix(y_true, chosen, sample_weight=weight).ravel()
        expected = {
            "tn": tn,
            "fp": fp,
            "fn": fn,
            "tp": tp,
            "predicted_positives": tp + fp,
            "selected_rows": chosen.sum(),
            "value": 0.6,
            "precision": sk.precision_score(y_true, chosen, sample_weight=weight),
            "recall": sk.recall_score(y_true, chosen, sample_weight=weight),
            "specificity": sk.recall_score(~y_true, ~chosen, sample_weight=weight),
            "f1": sk.f1_score(y_true, chosen, sample_weight=weight),
            "f_beta": sk.fbeta_score(y_true, chosen, beta=0.5, sample_weight=weight),
            "mcc": sk.matthews_corrcoef(y_true, chosen, sample_weight=weight),
            "balanced_accuracy": sk.balanced_accuracy_score(y_true, chosen, sample_weight=weight),
        }
        assert found == pytest.approx(expected)
        assert list(found) == list(THRESHOLD_METRICS)

    def test_the_threshold_itself_is_positive(self):
        assert figures(Y_TRUE, Y_PROB, 0.8)["selected_rows"] == 3

    def test_nothing_selected(self):
        found = figures(Y_TRUE, Y_PROB, 0.95)
        assert math.isnan(found["precision"])
        assert math.isnan(found["mcc"])
        assert found["recall"] == 0
        assert found["f1"] == 0
        assert found["balanced_accuracy"] == 0.5

    def test_one_class(self):
        found = figures(np.zeros(3, bool), np.array([0.1, 0.2, 0.9]), 0.5)
        assert math.isnan(found["recall"])
        assert math.isnan(found["balanced_accuracy"])
        assert found["specificity"] == pytest.approx(2 / 3)

    def test_no_threshold(self):
        assert all(math.isnan(value) for value in figures(Y_TRUE, Y_PROB, math.nan).values())

    def test_large_counts_do_not_overflow(self):
        weight = np.full(8, 1e80)
        plain = figures(Y_TRUE, Y_PROB, 0.5)["mcc"]
        assert figures(Y_TRUE, Y_PROB, 0.5, weight)["mcc"] == pytest.approx(plain)


def test_figures_come_with_the_remark():
    found, remark = figures_at(Threshold("top", 2), rank(Y_TRUE, Y_PROB))
    assert found["selected_rows"] == 3
    assert "3 rows are selected, not 2" in remark
    found, remark = figures_at(Threshold("top", 2), rank(Y_TRUE, 1 - Y_PROB), beta=1)
    assert found["selected_rows"] == 2
    assert found["f_beta"] == found["f1"]
    assert remark == ""
