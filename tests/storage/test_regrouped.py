"""Batches of another size, with the same rows."""

from __future__ import annotations

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from rebalance.storage.regrouped import regrouped


@given(st.lists(st.integers(0, 30), max_size=20), st.integers(1, 20))
def test_rows_stay_and_sizes_are_bounded(sizes, batch_rows):
    batches, first = [], 0
    for size in sizes:
        numbers = pa.array(range(first, first + size), pa.int64())
        texts = pa.array([str(n % 3) for n in range(size)], pa.string()).dictionary_encode()
        batches.append(pa.record_batch({"n": numbers, "s": texts}))
        first += size
    found = list(regrouped(batches, batch_rows))
    assert [n for batch in found for n in batch.column("n").to_pylist()] == list(range(first))
    texts = [text for batch in batches for text in batch.column("s").to_pylist()]
    assert [text for batch in found for text in batch.column("s").to_pylist()] == texts
    assert all(0 < batch.num_rows <= batch_rows for batch in found)
    # Each time that rows are given, but for the last, there are as many as a quarter of a full
    # batch, and one batch at the most is not full.
    assert len(found) <= 5 * first / batch_rows + 2
