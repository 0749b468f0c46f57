"""A map is judged on folds that it was not fitted to: the same by scikit-learn, fold by fold."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from rebalance.core.cross_fitted import FOLDS, FoldedOutcomes


def rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-1, 1.5, count)
    return rng.random(count) < expit(0.7 * log_odds - 1), log_odds, rng.random(count)


def test_it_is_what_scikit_learn_finds_fold_by_fold() -> None:
    y_true, log_odds, draws = rows(4_000, 1)
    sums = FoldedOutcomes()
    for part in np.array_split(np.arange(4_000), 3):
        sums.add(y_true[part], log_odds[part], draws[part])
    found = sums.moved("platt")
    assert found is not None
    assert (found.rows, found.positives) == (4_000, int(y_true.sum()))
    expected = np.empty(4_000)
    fold = np.floor(draws * FOLDS)
    for number in range(FOLDS):
        inside = fold == number
        peer = LogisticRegression(C=1e12, tol=1e-10).fit(log_odds[~inside, None], y_true[~inside])
        expected[inside] = peer.decision_function(log_odds[inside, None])
    # A cell is 1/1,024 wide: means of it are off by less.
    assert (found.weight * expit(found.log_odds)).sum() == pytest.approx(
        expit(expected).sum(), rel=1e-5
    )
    assert (found.weight * found.log_odds)[found.y_true].sum() == pytest.approx(
        expected[y_true].sum(), rel=1e-4
    )
    assert (np.diff(found.cell) >= 0).all()
    whole = sums.whole()
    assert (whole.weight * whole.log_odds).sum() == pytest.approx(log_odds.sum())


def test_too_few_rows_of_a_class() -> None:
    _, log_odds, draws = rows(200, 2)
    sums = FoldedOutcomes()
    sums.add(np.arange(200) == 7, log_odds, draws)
    assert sums.moved("platt") is None
