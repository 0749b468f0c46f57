"""Folds of whole groups and blocks of time."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from rebalance.core.fold_groups import group_folds, time_blocks


@given(st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_groups_with_positives_are_spread_evenly(count: int, seed: int) -> None:
    """Dealing the largest first to the fold with least leaves no gap above the largest group."""
    generator = np.random.default_rng(seed)
    groups = generator.integers(count, 60)
    positives = generator.integers(0, 5, groups)
    rows = positives + generator.integers(1, 10, groups)
    positives[:count] = np.maximum(positives[:count], 1)
    folds = group_folds(positives, rows, generator.random(groups), count)
    assert set(folds) <= set(range(count))
    held = np.bincount(folds, positives, count)
    assert held.min() > 0
    assert held.max() - held.min() <= positives.max()


def test_groups_of_one_are_dealt_out_exactly() -> None:
    generator = np.random.default_rng(0)
    positives = (np.arange(1_000) < 20).astype(np.int64)
    folds = group_folds(positives, np.ones(1_000, dtype=np.int64), generator.random(1_000), 5)
    assert np.bincount(folds[:20]).tolist() == [4] * 5
    assert np.bincount(folds).tolist() == [200] * 5


def test_another_draw_gives_other_folds() -> None:
    ones = np.ones(100, dtype=np.int64)
    draws = np.random.default_rng(1).random((2, 100))
    first, second = (group_folds(ones, ones, each, 5) for each in draws)
    assert (first != second).any()


def test_blocks_follow_each_other_in_time_and_keep_a_time_together() -> None:
    times = np.random.default_rng(2).integers(0, 40, 1_000)
    blocks = time_blocks(times, 6)
    for block in range(5):
        assert times[blocks == block].max() < times[blocks == block + 1].min()
    # A block ends within one time of its share: at most 40 times of some 25 rows each.
    assert np.abs(np.bincount(blocks) - 1_000 / 6).max() < 60


def test_one_time_only_leaves_blocks_empty() -> None:
    assert set(time_blocks(np.zeros(10), 3)) == {2}
