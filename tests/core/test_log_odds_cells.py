"""Outcomes summed in cells: nothing depends on batches, and what is lost is known."""

from __future__ import annotations

import numpy as np
import pytest

from rebalance.core.log_odds_cells import CELLS, OutcomeSums, gather
from rebalance.errors import DataError


def rows(count: int = 5_000, seed: int = 0):
    rng = np.random.default_rng(seed)
    log_odds = rng.normal(-3, 2, count)
    y_true = rng.random(count) < 1 / (1 + np.exp(-log_odds))
    return y_true, log_odds, rng.gamma(2.0, 1.0, count)


@pytest.mark.parametrize("weighted", [False, True])
def test_batches_change_no_bit(weighted: bool) -> None:
    y_true, log_odds, weight = rows()
    whole = gather(y_true, log_odds, weight if weighted else None)
    sums = OutcomeSums()
    for part in (slice(0, 1), slice(1, 700), slice(700, 703), slice(703, None)):
        sums.add(y_true[part], log_odds[part], weight[part] if weighted else None)
    pieces = sums.outcomes()
    for name in ("cell", "log_odds", "y_true", "weight", "squared"):
        assert np.array_equal(getattr(whole, name), getattr(pieces, name)), name
    assert (pieces.rows, pieces.positives, pieces.weighted) == (5_000, y_true.sum(), weighted)


def test_totals_and_moments_of_each_class_stay() -> None:
    y_true, log_odds, weight = rows()
    found = gather(y_true, log_odds, weight)
    for positive in (True, False):
        mine, theirs = found.y_true == positive, y_true == positive
        assert found.weight[mine].sum() == pytest.approx(weight[theirs].sum(), rel=1e-12)
        assert found.squared[mine].sum() == pytest.approx((weight[theirs] ** 2).sum(), rel=1e-12)
        moment = (found.weight * found.log_odds)[mine].sum()
        assert moment == pytest.approx((weight * log_odds)[theirs].sum(), rel=1e-12)
    assert (np.diff(found.cell) >= 0).all()


def test_a_sum_over_the_rows_is_off_by_the_square_of_a_cells_width() -> None:
    y_true, log_odds, _ = rows()
    found = gather(y_true, log_odds)
    # (1/1024)^2 / 24 = 4e-8, times a curvature of at most one relative to the sum.
    predicted = (found.weight / (1 + np.exp(-found.log_odds))).sum()
    assert predicted == pytest.approx((1 / (1 + np.exp(-log_odds))).sum(), rel=4e-8)


def test_log_odds_beyond_the_cells_share_the_one_at_their_end() -> None:
    y_true = np.array([False, False, True, True])
    found = gather(y_true, np.array([-800.0, -100.0, -70.0, 800.0]))
    assert found.cell.tolist() == [0, 0, CELLS - 1]
    assert found.log_odds.tolist() == [-450.0, -70.0, 800.0]


def test_rows_without_weight_are_not_there() -> None:
    found = gather(np.array([True, False]), np.array([0.0, 1.0]), np.array([0.0, 2.0]))
    assert found.log_odds.tolist() == [1.0]
    assert (found.rows, found.positives) == (2, 1)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_log_odds_that_are_not_finite(value: float) -> None:
    with pytest.raises(DataError, match="not finite") as caught:
        gather(np.array([True, False, False]), np.array([0.0, value, value]))
    assert caught.value.row == 1
