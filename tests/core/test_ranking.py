import tracemalloc
from itertools import groupby
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebalance.core import ranking as module
from rebalance.core.metrics import score
from rebalance.core.ranking import Ranking, blocks, pack, rank, rank_keys

# Few different probabilities, so that ties are common, and weights of zero among them.
some_rows = st.lists(
    st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0]), st.integers(0, 3)),
    min_size=1,
    max_size=30,
)
block_sizes = st.integers(1, 8)


def columns(rows):
    y_true, y_prob, weight = zip(*rows, strict=True)
    return np.array(y_true), np.array(y_prob), np.array(weight, dtype=float)


def every_level(ranking):
    """Value, positive, negative, squared, tp and fp of all levels, one tuple each."""
    names = ("values", "positive", "negative", "squared", "tp", "fp")
    found = []
    for levels in ranking.levels():
        found += zip(*(getattr(levels, name).tolist() for name in names), strict=True)
    return found


class TestKeys:
    def test_are_in_the_order_of_probability_and_then_label(self):
        y_prob = np.array([1.0, 5e-324, 0.5, 0.0, 0.5, np.nextafter(0.5, 1), 1e-300, 1.0])
        y_true = np.array([False, True, True, True, False, False, False, True])
        keys = pack(y_true, y_prob.copy())
        assert np.argsort(keys).tolist() == np.lexsort([y_true, y_prob]).tolist()

    def test_lie_where_the_probabilities_lay(self):
        y_prob = np.array([0.3, 0.7])
        assert np.shares_memory(pack(np.array([True, False]), y_prob), y_prob)

    def test_minus_zero_is_zero(self):
        assert every_level(rank(np.array([True, False]), np.array([-0.0, 0.0]))) == [
            (0.0, 1.0, 1.0, 2.0, 1.0, 1.0)
        ]

    @given(some_rows, block_sizes)
    def test_come_in_blocks(self, rows, size):
        y_true, y_prob, _ = columns(rows)
        with mock.patch.object(module, "BLOCK", size):
            assert pack(y_true, y_prob.copy()).tolist() == [
                2 * int(value.view(np.uint64)) + label
                for value, label in zip(y_prob, y_true.tolist(), strict=True)
            ]


class TestRank:
    def test_leaves_its_arguments_alone(self):
        y_true, y_prob = np.array([True, False, True]), np.array([0.9, 0.1, 0.5])
        weight = np.array([1.0, 2.0, 3.0])
        ranking = rank(y_true, y_prob, weight)
        assert (y_prob.tolist(), weight.tolist()) == ([0.9, 0.1, 0.5], [1.0, 2.0, 3.0])
        assert [ranking.value(row) for row in range(3)] == [0.1, 0.5, 0.9]
        assert ranking.sample_weight is not None
        assert ranking.sample_weight.tolist() == [2.0, 3.0, 1.0]

    def test_of_keys_sorts_them_where_they_lie(self):
        for weight in (None, np.array([3.0, 1.0, 2.0])):
            keys = np.array([6, 2, 5], dtype=np.uint64)
            ranking = rank_keys(keys, weight)
            assert np.shares_memory(ranking.keys, keys)
            assert keys.tolist() == [2, 5, 6]
            if weight is not None:
                assert weight.tolist() == [3, 1, 2]
                assert ranking.sample_weight.tolist() == [1, 2, 3]

    def test_without_weights_the_order_of_rows_changes_no_bit(self):
        rng = np.random.default_rng(0)
        y_prob = np.round(rng.beta(1, 20, 50_000), 4)
        y_true = rng.random(50_000) < y_prob
        order = rng.permutation(50_000)
        assert score(y_true, y_prob) == score(y_true[order], y_prob[order])


class TestLevels:
    @given(some_rows, block_sizes, st.booleans())
    @settings(max_examples=100, deadline=None)
    def test_against_counting(self, rows, size, weighted):
        y_true, y_prob, weight = columns(rows)
        used = [row if weighted else (*row[:2], 1) for row in rows]
        tp = fp = 0
        expected = []
        key = lambda row: -row[1]  # noqa: E731
        for value, group in groupby(sorted(used, key=key), key=key):
            here = [(label, times) for label, _, times in group if times]
            positive = sum(times for label, times in here if label)
            negative = sum(times for label, times in here if not label)
            tp, fp = tp + positive, fp + negative
            squared = sum(times**2 for _, times in here)
            if here:
                expected.append((-value, positive, negative, squared, tp, fp))
        with mock.patch.object(module, "BLOCK", size):
            ranking = rank(y_true, y_prob, weight if weighted else None)
            assert every_level(ranking) == expected
            assert ranking.totals == (tp, fp)
            assert ranking.both == (min(tp, fp) > 0)

    def test_there_are_none_without_rows(self):
        ranking = rank(np.zeros(0, bool), np.zeros(0), np.zeros(0))
        assert list(ranking.levels()) == []
        assert ranking.totals == (0, 0)
        assert len(ranking) == 0


class TestRows:
    @given(some_rows, st.sampled_from([0.0, 0.05, 0.1, 0.5, 0.95, 1.0]))
    @settings(deadline=None)
    def test_counts(self, rows, value):
        y_true, y_prob, weight = columns(rows)
        ranking = rank(y_true, y_prob, weight)
        assert ranking.below(value) == (y_prob < value).sum()
        assert ranking.up_to(value) == (y_prob <= value).sum()
        above = ranking.part(slice(ranking.below(value), None))
        assert above.totals == (
            weight[y_true & (y_prob >= value)].sum(),
            weight[~y_true & (y_prob >= value)].sum(),
        )
        assert above.counted.totals[0] == (y_true & (y_prob >= value)).sum()

    def test_a_part_is_no_copy(self):
        ranking = rank(np.array([True, False]), np.array([0.1, 0.2]), np.array([1.0, 2.0]))
        part = ranking.part(slice(1, None))
        assert np.shares_memory(part.keys, ranking.keys)
        assert np.shares_memory(part.sample_weight, ranking.sample_weight)


@pytest.mark.parametrize("rows", [0, 1, 16_384, 16_385, 40_000])
def test_blocks_are_all_rows(rows):
    found = [row for block in blocks(rows) for row in range(rows)[block]]
    assert found == list(range(rows))


@pytest.mark.parametrize("levels", [1, 20, 1_000_000])
def test_memory_is_that_of_the_keys(levels):
    rng = np.random.default_rng(0)
    y_prob = np.ceil(rng.random(1_000_000) * levels) / (levels + 1)
    y_true = rng.random(1_000_000) < y_prob
    tracemalloc.start()
    try:
        ranking = rank_keys(pack(y_true, y_prob))
        for _ in ranking.levels():
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # One array of all rows would be 8 MB; a block of 16,384 rows has some twenty of 128 kB.
    assert peak < 5e6


def test_a_ranking_is_its_arrays():
    ranking = Ranking(np.array([2, 5], dtype=np.uint64))
    assert ranking.totals == (1, 1)
