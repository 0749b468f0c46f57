import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rebalance.core.checks import Checked, parse_check, run_checks
from rebalance.core.metrics import METRICS
from rebalance.core.thresholds import THRESHOLD_METRICS, Threshold, parse_threshold
from rebalance.errors import UsageError

COLUMNS = ["rb_probability", "a:b", "odd < 3 : name@x"]
THRESHOLDS = [parse_threshold(text) for text in ("0.3", "f1", "recall=.8", "top=100")]


class TestParseCheck:
    @pytest.mark.parametrize(
        ("text", "column", "metric", "threshold", "sign", "limit"),
        [
            ("roc_auc<0.8", None, "roc_auc", None, "<", 0.8),
            ("  roc_auc  <=  .8 ", None, "roc_auc", None, "<=", 0.8),
            ("calibration_intercept>=-1e-2", None, "calibration_intercept", None, ">=", -0.01),
            ("rb_probability:brier>0.1", "rb_probability", "brier", None, ">", 0.1),
            ("a:b:brier>0.1", "a:b", "brier", None, ">", 0.1),
            ("odd < 3 : name@x:ece>1", "odd < 3 : name@x", "ece", None, ">", 1.0),
            ("recall@0.30<0.5", None, "recall", Threshold("value", 0.3), "<", 0.5),
            ("precision@recall=0.8<.2", None, "precision", Threshold("recall", 0.8), "<", 0.2),
            ("a:b:mcc@top=100<.2", "a:b", "mcc", Threshold("top", 100.0), "<", 0.2),
            ("value @ f1 > 0.9", None, "value", Threshold("f1"), ">", 0.9),
        ],
    )
    def test_forms(self, text, column, metric, threshold, sign, limit):
        found = parse_check(text, COLUMNS, THRESHOLDS)
        assert (found.column, found.metric, found.threshold) == (column, metric, threshold)
        assert (found.sign, found.limit, found.expression) == (sign, limit, text)

    @given(
        st.sampled_from([None, *COLUMNS]),
        st.one_of(
            st.tuples(st.sampled_from(METRICS), st.none()),
            st.tuples(st.sampled_from(THRESHOLD_METRICS), st.sampled_from(THRESHOLDS)),
        ),
        st.sampled_from(["<", "<=", ">", ">="]),
        st.floats(allow_nan=False, allow_infinity=False),
    )
    def test_whatever_is_written_is_read(self, column, named, sign, limit):
        metric, threshold = named
        text = f"{column}:" * (column is not None) + metric
        text += f"@{threshold}" * (threshold is not None) + f"{sign}{limit!r}"
        found = parse_check(text, COLUMNS, THRESHOLDS)
        assert (found.column, found.metric, found.threshold) == (column, metric, threshold)
        assert (found.sign, found.limit) == (sign, limit)

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ("roc_auc", "no comparison"),
            ("", "no comparison"),
            ("roc_auc=0.8", "no comparison"),
            ("roc_auc==0.8", "no comparison"),
            ("<0.8", "no comparison"),
            ("roc_auc<", "no comparison"),
            ("roc_auc<<0.8", "no comparison"),
            ("roc_auc<high", "'high' is not a number"),
            ("roc_auc<0,8", "'0,8' is not a number"),
            ("roc_auc<nan", "'nan' is not a number"),
            ("roc_auc<inf", "'inf' is not a number"),
            ("rocauc<0.8", "no metric 'rocauc'.*nearest is 'roc_auc'"),
            ("recal@0.3<0.8", "no metric 'recal'.*nearest is 'recall'"),
            ("recall<0.8", "'recall' is a metric at a threshold.*recall@0.3"),
            ("roc_auc@0.3<0.8", "'roc_auc' does not depend on a threshold"),
            ("recall@0.4<0.8", "threshold '0.4' is not evaluated.*--threshold 0.4.*0.3, f1"),
            ("recall@half<0.8", "'half' is not a number"),
            ("rb_probabilty:brier>1", "'rb_probabilty' is not evaluated.*'rb_probability'"),
            (":brier>1", "column '' is not evaluated"),
        ],
    )
    def test_refused(self, text, words):
        with pytest.raises(UsageError, match=words):
            parse_check(text, COLUMNS, THRESHOLDS)


class TestRunChecks:
    @pytest.mark.parametrize(
        ("sign", "at_limit", "below", "above"),
        [
            ("<", False, True, False),
            ("<=", True, True, False),
            (">", False, False, True),
            (">=", True, False, True),
        ],
    )
    def test_the_condition_is_the_failure(self, sign, at_limit, below, above):
        check = parse_check(f"brier{sign}0.5", COLUMNS, [])
        assert [check.failed(value) for value in (0.5, 0.4, 0.6)] == [at_limit, below, above]

    def test_not_defined_fails(self):
        check = parse_check("roc_auc<0.5", COLUMNS, [])
        done = Checked(check, "a", math.nan)
        assert done.failed
        assert str(done) == "'roc_auc<0.5': roc_auc of 'a' is not defined"
        assert done.document() == {
            "expression": "roc_auc<0.5",
            "column": "a",
            "value": None,
            "failed": True,
        }

    def test_every_column_or_the_one_named(self):
        metrics = {"a": {"brier": 0.1}, "b": {"brier": 0.3}}
        at = {Threshold("f1"): {"a": {"recall": 0.7}, "b": {"recall": 0.2}}}
        texts = ["brier>0.2", "b:brier>0.2", "recall@f1<0.5"]
        checks = [parse_check(text, ["a", "b"], list(at)) for text in texts]
        done = run_checks(checks, metrics, at)
        assert [(each.column, each.value, each.failed) for each in done] == [
            ("a", 0.1, False),
            ("b", 0.3, True),
            ("b", 0.3, True),
            ("a", 0.7, False),
            ("b", 0.2, True),
        ]
        assert str(done[-1]) == "'recall@f1<0.5': recall@f1 of 'b' is 0.2"
