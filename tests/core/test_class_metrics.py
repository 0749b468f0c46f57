"""Figures of many classes, against scikit-learn and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, balanced_accuracy_score, log_loss, roc_auc_score

from rebalance.core import class_metrics
from rebalance.core.class_metrics import auc_of_class, score_classes


def rows(count: int = 40_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """More rows than a block has, with ties among the probabilities."""
    generator = np.random.default_rng(0)
    y_prob = generator.dirichlet([5, 2, 1, 0.5], count).round(3) + 1e-4
    y_prob /= y_prob.sum(axis=1, keepdims=True)
    codes = (y_prob.cumsum(axis=1) < generator.random((count, 1))).sum(axis=1).clip(0, 3)
    return codes, y_prob, generator.uniform(0, 2, count)


@pytest.mark.parametrize("weighted", [False, True])
def test_scikit_learn_says_the_same(weighted: bool) -> None:
    codes, y_prob, weight = rows()
    given = weight if weighted else None
    found = score_classes(codes, list(y_prob.T), "abcd", given).overall
    best = y_prob.argmax(axis=1)
    assert found["log_loss"] == pytest.approx(log_loss(codes, y_prob, sample_weight=given))
    assert found["accuracy"] == pytest.approx(accuracy_score(codes, best, sample_weight=given))
    expected = balanced_accuracy_score(codes, best, sample_weight=given)
    assert found["balanced_accuracy"] == pytest.approx(expected)
    expected = roc_auc_score(codes, y_prob, multi_class="ovr", sample_weight=given)
    assert found["roc_auc"] == pytest.approx(expected)


def test_shares_by_hand() -> None:
    codes = np.array([0, 0, 1, 2])
    y_prob = [
        np.array([0.5, 0.5, 0.1, 0.1]),
        np.array([0.4, 0.4, 0.8, 0.4]),
        np.array([0.1, 0.1, 0.1, 0.5]),
    ]
    found = score_classes(codes, y_prob, "abc")
    # Sums 1.2, 2.0, 0.8 where 2, 1, 1 rows are.
    assert found.overall["share_difference"] == pytest.approx((0.8 + 1.0 + 0.2) / 4)
    assert found.each["a"]["predicted_over_observed"] == pytest.approx(0.6)
    assert found.each["b"]["mean_predicted"] == pytest.approx(0.5)
    assert found.each["c"]["recall"] == 1.0
    weighted = score_classes(codes, y_prob, "abc", np.array([1.0, 1.0, 2.0, 0.0]))
    assert weighted.each["b"]["mean_observed"] == pytest.approx(0.5)
    assert np.isnan(weighted.each["c"]["recall"])


def test_classes_without_a_column_or_a_row() -> None:
    codes = np.array([0, 1, 3])
    y_prob = [np.array([0.9, 0.2, 0.5]), np.array([0.1, 0.8, 0.5]), np.zeros(3)]
    found = score_classes(codes, y_prob, "abcd")
    assert found.overall["log_loss"] == pytest.approx(
        -(np.log(0.9) + np.log(0.8) + np.log(np.finfo(float).eps)) / 3
    )
    assert np.isnan(found.each["c"]["roc_auc"])
    assert found.each["d"]["predicted_over_observed"] == 0.0
    assert found.overall["balanced_accuracy"] == pytest.approx(2 / 3)
    nothing = score_classes(np.array([], dtype=np.int64), [np.array([])] * 2, "ab")
    assert np.isnan(nothing.overall["log_loss"])


@pytest.mark.parametrize("weighted", [False, True])
def test_auc_of_small_and_large_classes_is_the_same(
    weighted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes, y_prob, weight = rows(3_000)
    weight[codes == 2] *= codes.size % 7  # some of weight 0 as well
    weight[::5] = 0.0
    given = weight if weighted else None
    for place in range(4):
        own = np.flatnonzero(codes == place)
        column = np.ascontiguousarray(y_prob[:, place])
        expected = roc_auc_score(codes == place, column, sample_weight=given)
        for few in (0, 10_000):
            monkeypatch.setattr(class_metrics, "_FEW", few)
            assert auc_of_class(own, column, given) == pytest.approx(expected, abs=1e-12)
    nothing = np.flatnonzero(codes)  # all their weight is 0
    assert np.isnan(auc_of_class(nothing, column, np.where(codes == 0, 1.0, 0.0)))
    assert np.isnan(auc_of_class(nothing, column, np.where(codes == 0, 0.0, 1.0)))
    assert np.isnan(auc_of_class(np.arange(3_000), column, None))
    assert np.isnan(auc_of_class(np.array([], dtype=np.int64), column, None))
