"""Uniform draws per class in one pass."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rebalance.core.reservoir import Reservoir


@settings(deadline=None, max_examples=40)
@given(
    st.integers(0, 2**32),
    st.integers(1, 300),
    st.integers(1, 40),
    st.lists(st.integers(0, 300), max_size=8),
)
def test_the_smallest_draws_of_each_class_for_any_cut(
    seed: int, count: int, size: int, cuts: list[int]
) -> None:
    generator = np.random.default_rng(seed)
    codes = generator.integers(0, 3, count)
    draws = generator.random(count)
    batch = pa.RecordBatch.from_pydict({"row": np.arange(count)})
    expected = sorted(
        row
        for code in range(3)
        for row in sorted(np.flatnonzero(codes == code), key=lambda at: draws[at])[:size]
    )
    edges = sorted({0, count, *(cut for cut in cuts if cut < count)})
    reservoir = Reservoir(size)
    for start, stop in itertools.pairwise(edges):
        part = slice(start, stop)
        reservoir.add(batch.slice(start, stop - start), codes[part], draws[part])
    table, kept = reservoir.finish()[:2]
    assert table["row"].to_pylist() == expected
    assert kept.tolist() == codes[expected].tolist()


@pytest.mark.parametrize("cut", [50, 333, 4_000])
@pytest.mark.parametrize("overall", [0, 60])
def test_many_classes_share_what_is_kept(cut: int, overall: int) -> None:
    """As many rows of each large class as fit, small ones whole, and the smallest draws of all."""
    generator = np.random.default_rng(1)
    sizes = [1_500, 900, 600, *[8] * 100, *[1] * 200]
    codes = generator.permutation(np.repeat(np.arange(len(sizes)), sizes))
    draws = generator.integers(0, 2_000, len(codes)) / 2_000  # with ties
    batch = pa.RecordBatch.from_pydict({"row": np.arange(len(codes))})
    reservoir = Reservoir(100, 550, overall)
    for start in range(0, len(codes), cut):
        part = slice(start, start + cut)
        reservoir.add(batch.slice(start, cut), codes[part], draws[part])
    # 200 rows of classes of one; 350 over 103 classes are 3.4 each, rounded up.
    expected = set()
    for code in range(len(sizes)):
        rows = np.flatnonzero(codes == code)
        expected |= set(rows[np.argsort(draws[rows], kind="stable")[:4]].tolist())
    expected |= set(np.argsort(draws, kind="stable")[:overall].tolist())
    table, kept = reservoir.finish()
    assert table["row"].to_pylist() == sorted(expected)
    assert kept.tolist() == codes[sorted(expected)].tolist()


def test_bounds_of_classes() -> None:
    reservoir = Reservoir(2)
    batch = pa.RecordBatch.from_pydict({"row": [0, 1, 2, 3]})
    reservoir.add(batch, np.array([0, 0, 0, 1]), np.array([0.5, 0.2, 0.9, 0.7]))
    reservoir.finish()
    assert reservoir.bound(0) == 0.5
    assert reservoir.bound(1) == 1.0  # all are kept
    assert reservoir.bound(2) == 1.0
