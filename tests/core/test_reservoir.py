"""Uniform draws per class in one pass."""

from __future__ import annotations

import itertools

import numpy as np
import pyarrow as pa
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
